/** The vouchers of a publication, in any of the shapes in which Voucherify sends them. */

import { Invalid, type Part } from './json-part.ts';

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
  readonly loyalty: Loyalty | null;
  readonly active: boolean | null;
  readonly startsAtMs: number | null;
  readonly expiresAtMs: number | null;
  readonly redemptionLimit: number | null;
  readonly redeemedCount: number;
  readonly redeemedAmount: number | null;
  readonly redeemedPoints: number | null;
  readonly isReferralCode: boolean;
  readonly campaignId: string | null;
  readonly campaignName: string | null;
  readonly holderId: string | null;
  readonly referrerId: string | null;
  readonly categories: readonly string[];
  readonly metadata: Record<string, string>;
};

type Loyalty = {
  readonly points: number | null;
  readonly balance: number | null;
  readonly pendingPoints: number | null;
  readonly expiredPoints: number | null;
  readonly subtractedPoints: number | null;
  readonly nextExpirationPoints: number | null;
  /** Days since 1970. */
  readonly nextExpirationDay: number | null;
};

/** The vouchers of a publication; `isSomeMissing` where it names more than the webhook tells of. */
export type Vouchers = { readonly all: readonly Voucher[]; readonly isSomeMissing: boolean };

export type Discount = {
  readonly type: string | null;
  readonly effect: string | null;
  readonly amountOff: number | null;
  readonly percentOff: number | null;
  readonly fixedAmount: number | null;
  readonly amountLimit: number | null;
  readonly aggregatedAmountLimit: number | null;
  readonly isDynamic: boolean | null;
  readonly formula: string | null;
  readonly units: readonly Unit[];
};

type Unit = {
  readonly count: number;
  readonly unitType: string | null;
  readonly productId: string | null;
  readonly productSourceId: string | null;
  readonly productName: string | null;
  readonly skuId: string | null;
  readonly skuSourceId: string | null;
  readonly skuName: string | null;
  readonly effect: string | null;
  readonly formula: string | null;
};

/**
 * The vendor's schema says `voucher`, its examples say `vouchers`; some distributions put it inside
 * the publication. Where an event also names another voucher (a reward that was paid for with a
 * loyalty card), `vouchers_id` says which was published.
 */
export function readVouchers(data: Part, publication: Part): Vouchers {
  const found = [
    ...data.requiredParts('vouchers'),
    ...publication.parts('vouchers'),
    ...[data.part('voucher'), publication.part('voucher')].filter((part) => part !== null),
  ];
  if (found.length === 0)
    throw new Invalid(`${data.path}.vouchers`, 'expected at least one voucher, found none');
  const ids = publication.texts('vouchers_id');
  const chosen = chosenFrom(found, ids, publication);
  const fallback = data.part('campaign')?.part('voucher') ?? null;
  const [only = null] = ids.length === 1 ? ids : [];
  return {
    all: chosen.map((voucher) => readVoucher(voucher, fallback, only)),
    isSomeMissing: chosen.length < ids.length,
  };
}

/**
 * Chooses the vouchers that were published.
 * @throws Invalid if `vouchers_id` names none of those found
 */
function chosenFrom(
  found: readonly Part[],
  ids: readonly string[],
  publication: Part,
): readonly Part[] {
  const isNamed = (voucher: Part) => ids.includes(voucher.text('id') ?? '');
  const named = distinct(found.filter(isNamed));
  if (named.length > 0) return named;
  const nameless = found.filter((voucher) => voucher.text('id') === null);
  // Nothing contradicts the first form that there is.
  if (ids.length === 0) return distinct(found.length > 1 ? firstForm(found) : found);
  if (nameless.length > 0) return nameless.slice(0, ids.length);
  throw new Invalid(`${publication.path}.vouchers_id`, 'expected the vouchers that it names');
}

/** Returns the vouchers of the first place (list or single) that has any. */
function firstForm(found: readonly Part[]): readonly Part[] {
  const [first] = found;
  const list = first?.path.replace(/\[\d+\]$/, '');
  return found.filter(({ path }) => path.replace(/\[\d+\]$/, '') === list);
}

/** The same voucher may stand in two places. */
function distinct(found: readonly Part[]): readonly Part[] {
  const seen = new Set<string>();
  return found.filter((voucher) => {
    const id = voucher.text('id');
    if (id === null) return true;
    if (seen.has(id)) return false;
    seen.add(id);
    return true;
  });
}

/** Derives the type from the benefit if the vendor leaves it out. */
function impliedType(voucher: Part): string | null {
  if (voucher.part('gift')) return 'GIFT_VOUCHER';
  if (voucher.part('loyalty_card')) return 'LOYALTY_CARD';
  return voucher.part('discount') ? 'DISCOUNT_VOUCHER' : null;
}

/**
 * @param fallback the campaign's description of its vouchers, for benefits that the voucher itself
 * does not repeat
 * @param id where the publication names one voucher, and this may not say its own
 */
function readVoucher(voucher: Part, fallback: Part | null, id: string | null): Voucher {
  const redemption = voucher.part('redemption');
  return {
    id: voucher.text('id') ?? id,
    code: voucher.requiredText('code'),
    type: voucher.routingText('type') ?? impliedType(voucher),
    discount: readDiscount(voucher.part('discount') ?? fallback?.part('discount') ?? null),
    gift: readGift(voucher.part('gift') ?? fallback?.part('gift') ?? null),
    loyalty: readLoyalty(voucher.part('loyalty_card') ?? fallback?.part('loyalty_card') ?? null),
    active: voucher.boolean('active'),
    startsAtMs: voucher.time('start_date'),
    expiresAtMs: voucher.time('expiration_date'),
    redemptionLimit: redemption?.whole('quantity') ?? null,
    redeemedCount: redemption?.whole('redeemed_quantity') ?? 0,
    redeemedAmount: redemption?.whole('redeemed_amount') ?? null,
    redeemedPoints: redemption?.whole('redeemed_points') ?? null,
    isReferralCode: voucher.boolean('is_referral_code') ?? false,
    campaignId: voucher.text('campaign_id'),
    campaignName: voucher.text('campaign'),
    holderId: voucher.text('holder_id'),
    referrerId: voucher.text('referrer_id'),
    categories: voucher.parts('categories').flatMap((category) => category.text('name') ?? []),
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
  if (card === null) return null;
  return {
    points: card.whole('points'),
    balance: card.whole('balance'),
    pendingPoints: card.whole('pending_points'),
    expiredPoints: card.whole('expired_points'),
    subtractedPoints: card.whole('subtracted_points'),
    nextExpirationPoints: card.whole('next_expiration_points'),
    nextExpirationDay: card.days('next_expiration_date'),
  };
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
    amountLimit: discount.whole('amount_limit'),
    aggregatedAmountLimit: discount.whole('aggregated_amount_limit'),
    isDynamic: discount.boolean('is_dynamic'),
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
    productName: product?.text('name') ?? null,
    skuId: sku?.text('id') ?? null,
    skuSourceId: sku?.text('source_id') ?? null,
    skuName: sku?.text('name') ?? null,
    effect: unit.text('effect'),
    formula: unit.text('unit_off_formula'),
  };
}
