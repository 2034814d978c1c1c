/**
 * Creates webhooks from Voucherify's own sample bodies, for the demo, `voucherbus send` and the
 * tests.
 */

import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';

export type SampleName =
  | 'publication-succeeded'
  | 'voucher-published'
  | 'voucher-published.standalone';

/** Returns the vendor's text, byte for byte. */
export function sampleText(name: SampleName): string {
  return readFileSync(new URL(`samples/${name}.envelope.json`, import.meta.url), 'utf8');
}

export type Variation = {
  readonly publicationId?: string;
  /** null: the vouchers have no campaign. */
  readonly campaignType?: string | null;
  readonly voucherCount?: number;
  /** ISO 8601. */
  readonly createdAt?: string;
  readonly channel?: string;
  /** The customer's id in the company's own systems. */
  readonly sourceId?: string;
};

export function randomPublicationId(): string {
  return `pub_${randomBytes(16).toString('hex')}`;
}

type Json = Record<string, unknown>;
type Sample = Json & {
  data: Json & {
    campaign: Json | null;
    customer: Json;
    vouchers: Json[];
    publication: Json & { customer: Json };
  };
  event: Json;
};

const template = JSON.parse(sampleText('publication-succeeded')) as Sample;

/**
 * Returns a voucher that fits a campaign of this type, with values of the vendor's documented
 * forms.
 */
const benefits: Readonly<Record<string, Json>> = {
  GIFT_VOUCHERS: {
    type: 'GIFT_VOUCHER',
    gift: { amount: 10_000, balance: 10_000, effect: 'APPLY_TO_ORDER' },
    discount: null,
  },
  LOYALTY_PROGRAM: {
    type: 'LOYALTY_CARD',
    loyalty_card: { points: 100, balance: 100 },
    discount: null,
  },
  REFERRAL_PROGRAM: {
    type: 'DISCOUNT_VOUCHER',
    discount: { type: 'PERCENT', percent_off: 10, effect: 'APPLY_TO_ORDER' },
    is_referral_code: true,
  },
};

/**
 * Returns a publication.succeeded webhook: the vendor's sample with its own ids and the given
 * changes.
 */
export function sampleWebhook(variation: Variation = {}): Json {
  const { campaignType = 'DISCOUNT_COUPONS', voucherCount = 1, channel, sourceId } = variation;
  const publicationId = variation.publicationId ?? randomPublicationId();
  const createdAt = variation.createdAt ?? new Date().toISOString();
  const { data, event } = template;
  const unique = publicationId.replace(/^pub_/, '').slice(0, 18);
  const vouchers = Array.from({ length: voucherCount }, (_, i) => ({
    ...data.vouchers[0],
    ...benefits[campaignType ?? ''],
    ...(campaignType === null ? { campaign: null, campaign_id: null } : {}),
    id: `v_${unique}${i}`,
    code: `CODE-${unique}${i}`,
  }));
  const { customer } = data.publication;
  const known = sourceId === undefined ? {} : { source_id: sourceId };
  return {
    ...template,
    id: `whs_${unique}`,
    created_at: createdAt,
    data: {
      ...data,
      customer: { ...data.customer, ...known },
      campaign: campaignType === null ? null : { ...data.campaign, campaign_type: campaignType },
      vouchers,
      publication: {
        ...data.publication,
        customer: { ...customer, ...known },
        id: publicationId,
        created_at: createdAt,
        vouchers_id: vouchers.map(({ id }) => id),
        ...(channel === undefined ? {} : { channel }),
      },
    },
    event: { ...event, id: `evpub_${unique}`, created_at: createdAt },
  };
}
