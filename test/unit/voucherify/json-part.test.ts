import fc from 'fast-check';
import { expect, test } from 'vitest';
import { msOf } from '../../../src/voucherify/json-part.ts';

test('any time, printed in ISO 8601, is read back', () => {
  fc.assert(
    fc.property(
      fc.date({ noInvalidDate: true, min: new Date('1970-01-01'), max: new Date('2200-01-01') }),
      (date) => {
        expect(msOf(date.toISOString())).toBe(date.getTime());
      },
    ),
  );
});

test.each([
  ['2024-01-18T15:19:26.594001Z', '2024-01-18T15:19:26.594Z'],
  ['2024-01-18T16:19:26.5+01:00', '2024-01-18T15:19:26.500Z'],
  ['2024-01-18T15:19:26Z', '2024-01-18T15:19:26.000Z'],
  ['2024-01-18', '2024-01-18T00:00:00.000Z'],
])('%s is %s', (text, iso) => {
  expect(msOf(text)).toBe(Date.parse(iso));
});

test.each(['', 'soon', 'soon 1', '2024-13-01T00:00:00Z', '12'.repeat(40)])(
  '%j is no time',
  (text) => {
    expect(msOf(text)).toBeUndefined();
  },
);
