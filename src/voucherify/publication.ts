/** A publication as Voucherify sends it, in any of its shapes → one typed Publication, or the Rejection that says where it is broken. */

import { Invalid, msOf, Part } from './json.ts';
import type { Envelope, Webhook } from './webhook.ts';

export type Rejection = {
  readonly kind: 'rejection';
  readonly reason: 'invalid-publication' | 'no-publication-id';
  /** JSON path in the webhook's body. */
  readonly path: string;
  readonly message: string;
};

export type Publication = {
  readonly kind: 'publication';
  readonly id: string;
  readonly sourceId: string | null;
  readonly createdAtMs: number;
  readonly channel: string | null;
  readonly metadata: Record<string, string>;
  readonly userId: string | null;
  readonly campaign: Campaign | null;
  readonly vouchers: readonly Voucher[];
  readonly customer: Customer | null;
  readonly envelope: Envelope;
};

export type Campaign = {
  readonly id: string | null;
  readonly name: string | null;
  readonly type: string | null;
  readonly kind: string | null;
  readonly startsAtMs: number | null;
  readonly expiresAtMs: number | null;
  readonly metadata: Record<string, string>;
};

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

export type Customer = {
  readonly id: string | null;
  readonly sourceId: string | null;
  readonly region: string | null;
  readonly metadata: Record<string, string>;
  /** Read only when a configuration asks for personal data. */
  readonly personal: () => PersonalData;
};

export type PersonalData = {
  readonly name: string | null;
  readonly email: string | null;
  readonly phone: string | null;
  readonly birthdate: number | null;
  readonly address: Address | null;
};

type Address = {
  readonly line1: string | null;
  readonly line2: string | null;
  readonly postalCode: string | null;
  readonly city: string | null;
  readonly state: string | null;
  readonly country: string | null;
};

export function readPublication(
  webhook: Webhook & { kind: 'publication' },
): Publication | Rejection {
  const data = new Part(webhook.path, webhook.data);
  return orRejection((): Publication | Rejection => {
    const publication = data.part('publication');
    const id = webhook.envelope.publicationId;
    if (publication === null || id === undefined) {
      return {
        kind: 'rejection',
        reason: 'no-publication-id',
        path: `${data.path}.publication.id`,
        message: 'expected the id of a publication, found none',
      };
    }
    return readParts(data, publication, id, webhook.envelope);
  });
}

/** Runs a reader of this room; what it finds invalid becomes a value. */
export function orRejection<T>(read: () => T): T | Rejection {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof Invalid)) throw error;
    return {
      kind: 'rejection',
      reason: 'invalid-publication',
      path: error.path,
      message: error.message,
    };
  }
}

function readParts(data: Part, publication: Part, id: string, envelope: Envelope): Publication {
  const createdAtMs =
    publication.time('created_at') ?? (envelope.createdAt ? msOf(envelope.createdAt) : undefined);
  if (createdAtMs === undefined) throw publication.invalid('created_at', 'an ISO 8601 time');
  return {
    kind: 'publication',
    id,
    sourceId: publication.text('source_id'),
    createdAtMs,
    channel: publication.text('channel'),
    metadata: publication.map('metadata', 'all'),
    userId: data.part('user')?.text('id') ?? null,
    campaign: readCampaign(data.part('campaign')),
    vouchers: readVouchers(data, publication),
    customer: readCustomer(data.part('customer'), publication.part('customer'), publication),
    envelope,
  };
}

function readCampaign(campaign: Part | null): Campaign | null {
  if (campaign === null) return null;
  return {
    id: campaign.text('id'),
    name: campaign.text('name'),
    type: campaign.text('campaign_type'),
    kind: campaign.text('type'),
    startsAtMs: campaign.time('start_date'),
    expiresAtMs: campaign.time('expiration_date'),
    metadata: campaign.map('metadata', 'all'),
  };
}

/** The vendor's schema says `voucher`, its examples say `vouchers`; some distributions put it inside the publication. */
function readVouchers(data: Part, publication: Part): readonly Voucher[] {
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

/** `data.customer` is the short form, `data.publication.customer` the long one; either may be absent. */
function readCustomer(short: Part | null, long: Part | null, publication: Part): Customer | null {
  const customer = short ?? long;
  const id = customer?.text('id') ?? publication.text('customer_id');
  if (customer === null) {
    return id === null
      ? null
      : {
          id,
          sourceId: publication.text('tracking_id'),
          region: null,
          metadata: {},
          personal: noPersonalData,
        };
  }
  const metadata = customer.map('metadata', 'scalars');
  return {
    id,
    sourceId: customer.text('source_id') ?? publication.text('tracking_id'),
    region: metadata['region'] ?? null,
    metadata,
    personal: () => readPersonal(customer, long ?? customer),
  };
}

const noPersonalData = (): PersonalData => ({
  name: null,
  email: null,
  phone: null,
  birthdate: null,
  address: null,
});

function readPersonal(short: Part, long: Part): PersonalData {
  return {
    name: short.text('name') ?? long.text('name'),
    email: short.text('email') ?? long.text('email'),
    phone: long.text('phone'),
    birthdate: long.days('birthdate'),
    address: readAddress(long.part('address')),
  };
}

function readAddress(address: Part | null): Address | null {
  if (address === null) return null;
  return {
    line1: address.text('line_1'),
    line2: address.text('line_2'),
    postalCode: address.text('postal_code'),
    city: address.text('city'),
    state: address.text('state'),
    country: address.text('country'),
  };
}
