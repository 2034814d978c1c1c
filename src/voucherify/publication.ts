/** A publication as Voucherify sends it, in any of its shapes → one typed Publication, or the Rejection that says where it is broken. */

import { type Customer, readCustomer } from './customer.ts';
import { Invalid, msOf, Part } from './json.ts';
import { readVouchers, type Voucher } from './voucher.ts';
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
  /** False where what the webhook lacked could not be looked up. */
  readonly isComplete: boolean;
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

export function readPublication(
  webhook: Webhook & { kind: 'publication' },
): Publication | Rejection {
  const data = new Part(webhook.data, webhook.path);
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
    isComplete: true,
    envelope,
  };
}

export function readCampaign(campaign: Part | null): Campaign | null {
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
