/** Normalises the benefit of a voucher, whatever its kind. */

import type { BenefitRecord } from '../avro/records.ts';
import type { Discount, Voucher } from '../voucherify/voucher.ts';

const none: BenefitRecord = {
  kind: 'UNKNOWN',
  summary: '',
  amount: null,
  percent: null,
  amountLimit: null,
  aggregatedAmountLimit: null,
  isDynamic: null,
  points: null,
  balance: null,
  pendingPoints: null,
  expiredPoints: null,
  subtractedPoints: null,
  nextExpirationPoints: null,
  nextExpirationDay: null,
  effect: null,
  formula: null,
  units: [],
};

/** If there are several descriptions, the voucher's own type decides. */
export function benefitOf({ type, discount, gift, loyalty }: Voucher): BenefitRecord {
  if (type === 'GIFT_VOUCHER' && gift) return giftBenefit(gift);
  if (type === 'LOYALTY_CARD' && loyalty) return loyaltyBenefit(loyalty);
  if (discount) return discountBenefit(discount);
  if (gift) return giftBenefit(gift);
  if (loyalty) return loyaltyBenefit(loyalty);
  return none;
}

function giftBenefit({ amount, balance, effect }: NonNullable<Voucher['gift']>): BenefitRecord {
  const left = balance === null || balance === amount ? '' : `, ${money(balance)} left`;
  const summary = `gift card of ${money(amount ?? 0)}${left}`;
  return { ...none, kind: 'GIFT', summary, amount, balance, effect };
}

function loyaltyBenefit(loyalty: NonNullable<Voucher['loyalty']>): BenefitRecord {
  const { points, balance } = loyalty;
  const summary = `loyalty card with ${balance ?? points ?? 0} points`;
  return { ...none, kind: 'LOYALTY', summary, ...loyalty };
}

function discountBenefit(discount: Discount): BenefitRecord {
  const { type, effect, amountOff, percentOff, fixedAmount, formula, units } = discount;
  const { amountLimit, aggregatedAmountLimit, isDynamic } = discount;
  const common = { ...none, effect, formula, amountLimit, aggregatedAmountLimit, isDynamic };
  const how = formula ? ` by formula` : '';
  const where = effect ? ` (${effect})` : '';
  switch (type) {
    case 'AMOUNT':
      return {
        ...common,
        kind: 'AMOUNT_OFF',
        amount: amountOff,
        summary: `${money(amountOff ?? 0)} off${how}${where}`,
      };
    case 'PERCENT':
      return {
        ...common,
        kind: 'PERCENT_OFF',
        percent: percentOff,
        summary: `${percentOff ?? 0} % off${how}${where}`,
      };
    case 'FIXED':
      return {
        ...common,
        kind: 'FIXED_PRICE',
        amount: fixedAmount,
        summary: `at the price of ${money(fixedAmount ?? 0)}${how}${where}`,
      };
    case 'UNIT':
      return {
        ...common,
        kind: 'UNITS_OFF',
        units,
        summary: `${units.length === 1 ? 'free units of a product' : `free units of ${units.length} products`}${how}${where}`,
      };
    default:
      return { ...common, summary: `${type ?? 'unnamed'} discount${where}` };
  }
}

/** Formats an amount. Voucherify sends money × 100, without a currency. */
function money(minorUnits: number): string {
  return (minorUnits / 100).toFixed(2);
}
