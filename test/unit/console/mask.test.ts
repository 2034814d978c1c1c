import { expect, test } from 'vitest';
import { maskedBody } from '../../../src/console/mask.ts';
import { sampleText } from '../../../src/voucherify/sample.ts';

test("a customer's data is masked wherever a customer stands, its id and everything else is not", () => {
  const text = maskedBody(Buffer.from(sampleText('voucher-published.standalone')));
  for (const personal of ['Alex Doe', 'alex.doe', '4lx-d03', 'Website']) {
    expect(text.replaceAll(/"tracking_id": "[^"]*"/g, '')).not.toContain(personal);
  }
  expect(JSON.parse(text)).toMatchObject({
    data: {
      customer: { id: 'cust_ID', object: 'customer', name: '(masked)' },
      campaign: { name: 'Autumn-2025' },
      publication: { customer: { metadata: { acquisition_channel: '(masked)' }, address: null } },
      voucher: { code: 'kUs7oM-cOD3' },
    },
  });
});

test('what is not JSON is only measured', () => {
  expect(maskedBody(Buffer.from('jack@example.com'))).toBe('(16 bytes that are not JSON)');
});
