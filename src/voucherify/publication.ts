/**
 * Reads a publication in any of Voucherify's shapes into one typed Publication, or into a Rejection
 * that says where it is broken.
 */

import { type Customer, readCustomer } from './customer.ts';
import { Invalid, msOf, Part } from './json-part.ts';
import { readVouchers, type Voucher, type Vouchers } from './voucher.ts';
import { type Envelope, readWebhook, type Webhook } from './webhook.ts';

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
  readonly result: string | null;
  /** Fields of the event that the webhook should contain and does not; a look-up may find them. */
  readonly missing: readonly Missing[];
  /**
   * JSON paths of optional values that were not understood and are null. Complete once everything
   * was read.
   */
  readonly unreadable: () => readonly string[];
  readonly envelope: Envelope;
};

export type Missing = 'campaign' | 'campaign.type' | 'customer.sourceId' | 'vouchers';

export type Campaign = {
  readonly id: string | null;
  readonly name: string | null;
  readonly type: string | null;
  readonly kind: string | null;
  readonly startsAtMs: number | null;
  readonly expiresAtMs: number | null;
  readonly metadata: Record<string, string>;
};

/** Returns the publication of a body; undefined if it has none that can be read. */
export function publicationOf(body: Buffer): Publication | undefined {
  const webhook = readWebhook(body);
  if (webhook.kind !== 'publication') return undefined;
  const publication = readPublication(webhook);
  return publication.kind === 'publication' ? publication : undefined;
}

export function readPublication(
  webhook: Webhook & { kind: 'publication' },
): Publication | Rejection {
  const data = new Part(webhook.data, webhook.path, '', webhook.exact);
  return orRejection((): Publication | Rejection => {
    const publication = data.part('publication');
    const id = webhook.envelope.publicationId;
    if (publication === null || id === undefined) {
      return {
        kind: 'rejection',
        reason: 'no-publication-id',
        path: `${data.path}.publication.id`,
        message: 'expected the id of a publication, of 1 to 512 characters',
      };
    }
    return readParts(data, publication, id, webhook.envelope);
  });
}

/** Runs a reader of this module; what it finds invalid becomes a value. */
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
  const vouchers = readVouchers(data, publication);
  const campaign = readCampaign(data.routingPart('campaign')) ?? campaignOf(vouchers);
  const customer = readCustomer(data.part('customer'), publication.part('customer'), publication);
  return {
    kind: 'publication',
    id,
    sourceId: publication.text('source_id'),
    createdAtMs,
    channel: publication.routingText('channel'),
    metadata: publication.map('metadata', 'all'),
    userId: data.part('user')?.text('id') ?? null,
    campaign,
    vouchers: vouchers.all,
    customer,
    result: publication.text('result'),
    missing: [
      ...(data.part('campaign') === null && campaign !== null ? (['campaign'] as const) : []),
      ...(campaign !== null && campaign.type === null ? (['campaign.type'] as const) : []),
      ...(customer?.isSourceIdMissing ? (['customer.sourceId'] as const) : []),
      ...(vouchers.isSomeMissing ? (['vouchers'] as const) : []),
    ],
    unreadable: () => data.faults,
    envelope,
  };
}

/**
 * Reads the campaign. A short webhook names it in its voucher only; its type is known if the
 * voucher's own type leaves no choice.
 */
function campaignOf({ all: [voucher] }: Vouchers): Campaign | null {
  if (!voucher || (voucher.campaignId === null && voucher.campaignName === null)) return null;
  return {
    id: voucher.campaignId,
    name: voucher.campaignName,
    type: impliedType(voucher),
    kind: null,
    startsAtMs: null,
    expiresAtMs: null,
    metadata: {},
  };
}

/** A discount may belong to a coupon or a referral. */
function impliedType({ type, isReferralCode }: Voucher): string | null {
  switch (type) {
    case 'GIFT_VOUCHER':
      return 'GIFT_VOUCHERS';
    case 'LOYALTY_CARD':
      return 'LOYALTY_PROGRAM';
    default:
      return isReferralCode ? 'REFERRAL_PROGRAM' : null;
  }
}

export function readCampaign(campaign: Part | null): Campaign | null {
  if (campaign === null) return null;
  return {
    id: campaign.routingText('id'),
    name: campaign.routingText('name'),
    type: campaign.routingText('campaign_type'),
    kind: campaign.text('type'),
    startsAtMs: campaign.time('start_date'),
    expiresAtMs: campaign.time('expiration_date'),
    metadata: campaign.map('metadata', 'all'),
  };
}
