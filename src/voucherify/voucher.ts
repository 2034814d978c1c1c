/** The vouchers of a publication, in any of the shapes in which Voucherify sends them. */

import { Invalid, type Part } from './json.ts';

export type Voucher = {
  readonly id: string | null;
  readonly code: string;
  readonly type: string | null;
  readonly discount: Discount | null;
  readonly gift: {
    readonly amount: number | null;
    readonly balance: number | null;
    readonly effect: string | null;
  } | null;
  readonly loyalty: { readonly points: number | null; readonly balance: number | null } | null;
  readonly active: boolean | null;
  readonly startsAtMs: number | null;
  readonly expiresAtMs: number | null;
  readonly redemptionLimit: number | null;
  readonly redeemedCount: number;
  readonly isReferralCode: boolean;
  readonly campaignId: string | null;
  readonly holderId: string | null;
  readonly metadata: Record<string, string>;
};

export type Discount = {
  readonly type: string | null;
  readonly effect: string | null;
  readonly amountOff: number | null;
  readonly percentOff: number | null;
  readonly fixedAmount: number | null;
  readonly amountLimit: number | null;
  readonly formula: string | null;
  readonly units: readonly Unit[];
};

type Unit = {
  readonly count: number;
  readonly unitType: string | null;
  readonly productId: string | null;
  readonly productSourceId: string | null;
  readonly skuId: string | null;
  readonly skuSourceId: string | null;
  readonly effect: string | null;
};

/** The vendor's schema says `voucher`, its examples say `vouchers`; some distributions put it inside the publication. */
export function readVouchers(data: Part, publication: Part): readonly Voucher[] {
  const several = data.parts('vouchers');
  const one = data.part('voucher') ?? publication.part('voucher');
  const found = several.length > 0 ? several : one === null ? [] : [one];
  if (found.length === 0)
    throw new Invalid(`${data.path}.vouchers`, 'expected at least one voucher, found none');
  const fallback = data.part('campaign')?.part('voucher') ?? null;
  return found.map((voucher) => readVoucher(voucher, fallback));
}

/** @param fallback the campaign's description of its vouchers, for benefits that the voucher itself does not repeat */
function readVoucher(voucher: Part, fallback: Part | null): Voucher {
  const redemption = voucher.part('redemption');
  return {
    id: voucher.text('id'),
    code: voucher.requiredText('code'),
    type: voucher.text('type'),
    discount: readDiscount(voucher.part('discount') ?? fallback?.part('discount') ?? null),
    gift: readGift(voucher.part('gift') ?? fallback?.part('gift') ?? null),
    loyalty: readLoyalty(voucher.part('loyalty_card') ?? fallback?.part('loyalty_card') ?? null),
    active: voucher.boolean('active'),
    startsAtMs: voucher.time('start_date'),
    expiresAtMs: voucher.time('expiration_date'),
    redemptionLimit: redemption?.whole('quantity') ?? null,
    redeemedCount: redemption?.whole('redeemed_quantity') ?? 0,
    isReferralCode: voucher.boolean('is_referral_code') ?? false,
    campaignId: voucher.text('campaign_id'),
    holderId: voucher.text('holder_id'),
    metadata: voucher.map('metadata', 'all'),
  };
}

function readGift(gift: Part | null): Voucher['gift'] {
  if (gift === null) return null;
  return {
    amount: gift.whole('amount'),
    balance: gift.whole('balance'),
    effect: gift.text('effect'),
  };
}

function readLoyalty(card: Part | null): Voucher['loyalty'] {
  return card === null ? null : { points: card.whole('points'), balance: card.whole('balance') };
}

function readDiscount(discount: Part | null): Discount | null {
  if (discount === null) return null;
  const units = discount.parts('units');
  const type = discount.text('type');
  return {
    type,
    effect: discount.text('effect'),
    amountOff: discount.whole('amount_off'),
    percentOff: discount.number('percent_off'),
    fixedAmount: discount.whole('fixed_amount'),
    amountLimit: discount.whole('amount_limit') ?? discount.whole('aggregated_amount_limit'),
    formula:
      discount.text('amount_off_formula') ??
      discount.text('percent_off_formula') ??
      discount.text('fixed_amount_formula') ??
      discount.text('unit_off_formula'),
    units: units.length > 0 ? units.map(readUnit) : type === 'UNIT' ? [readUnit(discount)] : [],
  };
}

function readUnit(unit: Part): Unit {
  const product = unit.part('product');
  const sku = unit.part('sku');
  return {
    count: unit.number('unit_off') ?? 0,
    unitType: unit.text('unit_type'),
    productId: product?.text('id') ?? null,
    productSourceId: product?.text('source_id') ?? null,
    skuId: sku?.text('id') ?? null,
    skuSourceId: sku?.text('source_id') ?? null,
    effect: unit.text('effect'),
  };
}
