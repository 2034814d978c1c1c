import { expect, test } from 'vitest';
import { benefitOf } from '../../../src/enrichment/benefit.ts';
import { aPublication } from '../../support/builders.ts';

const benefit = (voucher: object, campaignVoucher: object = {}) => {
  const { vouchers } = aPublication({}, (data) => ({
    vouchers: [{ code: 'c', ...voucher }],
    campaign: { ...data['campaign'], voucher: campaignVoucher },
  }));
  return benefitOf(vouchers[0] as NonNullable<(typeof vouchers)[0]>);
};

test.each([
  [
    { discount: { type: 'AMOUNT', amount_off: 1050, effect: 'APPLY_TO_ORDER' } },
    {
      kind: 'AMOUNT_OFF',
      amount: 1050,
      summary: '10.50 off (APPLY_TO_ORDER)',
      effect: 'APPLY_TO_ORDER',
    },
  ],
  [
    { discount: { type: 'PERCENT', percent_off: 12.5, amount_limit: 500 } },
    { kind: 'PERCENT_OFF', percent: 12.5, amountLimit: 500, summary: '12.5 % off' },
  ],
  [
    {
      discount: {
        type: 'AMOUNT',
        amount_off: 1,
        amount_off_formula: 'A+B',
        aggregated_amount_limit: 9,
      },
    },
    {
      kind: 'AMOUNT_OFF',
      formula: 'A+B',
      aggregatedAmountLimit: 9,
      summary: '0.01 off by formula',
    },
  ],
  [
    { discount: { type: 'FIXED', fixed_amount: 999, effect: 'APPLY_TO_ITEMS' } },
    { kind: 'FIXED_PRICE', amount: 999 },
  ],
  [
    {
      discount: {
        type: 'UNIT',
        unit_off: 1,
        unit_type: 'prod_1',
        effect: 'ADD_NEW_ITEMS',
        product: { id: 'prod_1', source_id: 'p1' },
      },
    },
    {
      kind: 'UNITS_OFF',
      units: [{ count: 1, unitType: 'prod_1', productId: 'prod_1', productSourceId: 'p1' }],
    },
  ],
  [
    {
      discount: {
        type: 'UNIT',
        effect: 'ADD_MANY_ITEMS',
        units: [{ unit_off: 1, sku: { id: 'sku_1' } }, { unit_off: 2 }],
      },
    },
    {
      kind: 'UNITS_OFF',
      summary: 'free units of 2 products (ADD_MANY_ITEMS)',
      units: [{ skuId: 'sku_1' }, { count: 2 }],
    },
  ],
  [
    { type: 'GIFT_VOUCHER', gift: { amount: 10_000, balance: 2_500 }, discount: null },
    { kind: 'GIFT', amount: 10_000, balance: 2_500, summary: 'gift card of 100.00, 25.00 left' },
  ],
  [
    { type: 'GIFT_VOUCHER', gift: { amount: 10_000 } },
    { kind: 'GIFT', balance: null, summary: 'gift card of 100.00' },
  ],
  [
    { type: 'LOYALTY_CARD', loyalty_card: { points: 100, balance: 40 } },
    { kind: 'LOYALTY', points: 100, balance: 40 },
  ],
  [{ discount: { type: 'MYSTERY' } }, { kind: 'UNKNOWN', summary: 'MYSTERY discount' }],
  [{}, { kind: 'UNKNOWN', summary: '' }],
])('%j is described', (voucher, expected) => {
  expect(benefit(voucher)).toMatchObject(expected);
});

test('what the voucher does not repeat is taken from the campaign', () => {
  expect(benefit({}, { discount: { type: 'PERCENT', percent_off: 5 } })).toMatchObject({
    kind: 'PERCENT_OFF',
    percent: 5,
  });
});
