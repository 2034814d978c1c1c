import { expect, test } from 'vitest';
import { maskedBody, maskValues } from '../../../src/inspect/mask.ts';
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

test('holder and referrer are masked too, and so is every value that looks personal', () => {
  const body = {
    data: {
      holder: { id: 'cust_1', name: 'Jack', email: 'jack@example.com' },
      referrer: { name: 'Ann' },
      publication: {
        tracking_id: 'jack@example.com',
        source_id: 'order-77',
        metadata: { contact: 'mail jack@example.com', tel: '+48 601 234 567', order: '601234567' },
      },
    },
  };
  expect(JSON.parse(maskedBody(Buffer.from(JSON.stringify(body))))).toEqual({
    data: {
      holder: { id: 'cust_1', name: '(masked)', email: '(masked)' },
      referrer: { name: '(masked)' },
      publication: {
        tracking_id: '(masked)',
        source_id: 'order-77',
        metadata: { contact: '(masked)', tel: '(masked)', order: '601234567' },
      },
    },
  });
});

test('values of an event that look personal are masked, its fields stay', () => {
  const event = {
    customer: { id: 'cust_1', sourceId: 'jack@example.com' },
    at: 5,
    list: ['a', null],
  };
  expect(maskValues(event)).toEqual({
    customer: { id: 'cust_1', sourceId: '(masked)' },
    at: 5,
    list: ['a', null],
  });
});
