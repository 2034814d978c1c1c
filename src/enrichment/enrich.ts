/**
 * Turns Voucherify's publication into the event that consumers read: normalised types, benefit,
 * region, publisher. Pure.
 */

import type {
  CampaignRecord,
  Origin,
  PublicationSucceeded,
  PublisherRecord,
  ReferenceRecord,
  VoucherRecord,
} from '../avro/records.ts';
import type { Customer, PersonalData } from '../voucherify/customer.ts';
import { isObject, type JsonObject, wellFormed } from '../voucherify/json-part.ts';
import { masked, personalKind } from '../voucherify/personal-data.ts';
import {
  type Campaign,
  orRejection,
  type Publication,
  type Rejection,
} from '../voucherify/publication.ts';
import type { Voucher } from '../voucherify/voucher.ts';
import { benefitOf } from './benefit.ts';

/** The fields of the event's customer that PERSONAL_DATA selects. */
export type PersonalField = keyof PersonalData | 'sourceId' | 'metadata';

export type Arrival = {
  readonly source: string;
  readonly receivedAtMs: number;
  readonly processedAtMs: number;
  readonly origin: Origin;
  /** When the vendor's API was asked, for a backfill. */
  readonly asOfMs: number | null;
};

/** Returns the company's own data on a campaign. */
export type ReferenceOf = (campaignId: string) => ReferenceRecord | undefined;

export type Enriched = { readonly kind: 'event'; readonly event: PublicationSucceeded };

/** @param personalFields the personal data that the event may carry */
export function enrich(
  publication: Publication,
  arrival: Arrival,
  personalFields: readonly PersonalField[],
  referenceOf: ReferenceOf = () => undefined,
): Enriched | Rejection {
  const { envelope } = publication;
  const missing = missingOf(publication, arrival.origin);
  const clean = (map: TextMap) => withoutPersonal(map, personalFields);
  return orRejection(() => ({
    kind: 'event',
    event: {
      publicationId: publication.id,
      publicationSourceId: publication.sourceId,
      occurredAt: publication.createdAtMs,
      campaign: publication.campaign && campaignRecord(publication.campaign, clean),
      vouchers: publication.vouchers.map((voucher) => voucherRecord(voucher, clean)),
      customer: publication.customer && customerRecord(publication.customer, personalFields, clean),
      channel: publication.channel,
      publisher: publisherOf(publication),
      projectId: envelope.projectId ?? null,
      source: arrival.source,
      eventId: envelope.eventId ?? null,
      webhookId: envelope.webhookId ?? null,
      groupId: envelope.groupId ?? null,
      metadata: clean(publication.metadata),
      receivedAt: arrival.receivedAtMs,
      processedAt: arrival.processedAtMs,
      reference: referenceOf(publication.campaign?.id ?? '') ?? null,
      result: publication.result,
      missing,
      complete: missing.length === 0,
      unreadable: publication.unreadable(),
      origin: arrival.origin,
      asOf: arrival.asOfMs,
    },
  }));
}

/**
 * Leaves out the customer's source id and metadata, unless PERSONAL_DATA names them. Routes see
 * both, so it is done after them.
 */
export function disclosed(
  event: PublicationSucceeded,
  fields: readonly PersonalField[],
): PublicationSucceeded {
  const { customer } = event;
  if (customer === null) return event;
  const sourceId = fields.includes('sourceId') ? customer.sourceId : null;
  const metadata = fields.includes('metadata') ? customer.metadata : {};
  return { ...event, customer: { ...customer, sourceId, metadata } };
}

/** Voucherify's API does not say who published, nor under which event. */
function missingOf({ missing }: Publication, origin: Origin): readonly string[] {
  return origin === 'BACKFILL' ? [...missing, 'eventId', 'publisher'] : missing;
}

type TextMap = Readonly<Record<string, string>>;
type Clean = (map: TextMap) => TextMap;

/** Masks e-mail addresses and phone numbers in metadata, unless PERSONAL_DATA allows them. */
function withoutPersonal(map: TextMap, fields: readonly PersonalField[]): TextMap {
  let cleaned: Record<string, string> | undefined;
  for (const name in map) {
    const kind = personalKind(map[name] as string);
    if (kind === undefined || fields.includes(kind)) continue;
    cleaned ??= { ...map };
    cleaned[name] = masked;
  }
  return cleaned ?? map;
}

const campaignTypes = [
  'DISCOUNT_COUPONS',
  'GIFT_VOUCHERS',
  'LOYALTY_PROGRAM',
  'REFERRAL_PROGRAM',
  'PROMOTION',
] as const;
const campaignKinds = ['AUTO_UPDATE', 'STATIC', 'STANDALONE'] as const;
const voucherTypes = ['DISCOUNT_VOUCHER', 'GIFT_VOUCHER', 'LOYALTY_CARD'] as const;

function known<T extends string>(symbols: readonly T[], text: string | null): T | 'UNKNOWN' {
  return symbols.find((symbol) => symbol === text) ?? 'UNKNOWN';
}

function campaignRecord(campaign: Campaign, clean: Clean): CampaignRecord {
  return {
    id: campaign.id,
    name: campaign.name,
    type: known(campaignTypes, campaign.type),
    typeText: campaign.type,
    kind: known(campaignKinds, campaign.kind),
    startsAt: campaign.startsAtMs,
    expiresAt: campaign.expiresAtMs,
    metadata: clean(campaign.metadata),
  };
}

function voucherRecord(voucher: Voucher, clean: Clean): VoucherRecord {
  return {
    id: voucher.id,
    code: voucher.code,
    type: known(voucherTypes, voucher.type),
    benefit: benefitOf(voucher),
    active: voucher.active,
    startsAt: voucher.startsAtMs,
    expiresAt: voucher.expiresAtMs,
    redemptionLimit: voucher.redemptionLimit,
    redeemedCount: voucher.redeemedCount,
    redeemedAmount: voucher.redeemedAmount,
    redeemedPoints: voucher.redeemedPoints,
    isReferralCode: voucher.isReferralCode,
    holderId: voucher.holderId,
    referrerId: voucher.referrerId,
    categories: voucher.categories,
    metadata: clean(voucher.metadata),
  };
}

const noPersonalData: PersonalData = {
  name: null,
  email: null,
  phone: null,
  birthdate: null,
  address: null,
};

function customerRecord(customer: Customer, fields: readonly PersonalField[], clean: Clean) {
  const { id, sourceId, region } = customer;
  const metadata = clean(customer.metadata);
  return { id, sourceId, region, metadata, personal: personalOf(customer, fields) };
}

function personalOf(customer: Customer, fields: readonly PersonalField[]): PersonalData | null {
  const asked = fields.filter(isPersonal);
  if (asked.length === 0) return null;
  const all = customer.personal();
  return { ...noPersonalData, ...Object.fromEntries(asked.map((field) => [field, all[field]])) };
}

function isPersonal(field: PersonalField): field is keyof PersonalData {
  return field in noPersonalData;
}

/**
 * Returns the publisher. The envelope's event_source is most precise: a user, an API key, or
 * neither (INTERNAL). Without an envelope there are only `data.user`, which is null if the API
 * caused the event, and the channel (voucherify docs, publication.succeeded).
 */
function publisherOf({ envelope, userId, channel }: Publication): PublisherRecord {
  const eventSource: JsonObject = envelope.eventSource ?? {};
  const user = part(eventSource, 'user');
  const apiKey = part(eventSource, 'api_key');
  const id = text(user['id']) ?? userId;
  if (id !== null) return { kind: 'USER', id, name: null };
  if (eventSource['api_key'] !== undefined) {
    return { kind: 'API_KEY', id: text(apiKey['app_id']), name: text(apiKey['name']) };
  }
  const origin = eventSource['channel'];
  if (origin === 'API' || origin === 'CLIENT_API') return { kind: 'API_KEY', id: null, name: null };
  if (origin === 'INTERNAL' || channel === 'Automation') {
    return { kind: 'AUTOMATIC', id: null, name: null };
  }
  return { kind: channel === 'API' ? 'API_KEY' : 'UNKNOWN', id: null, name: null };
}

function part(object: JsonObject, key: string): JsonObject {
  const value = object[key];
  return isObject(value) ? value : {};
}

function text(value: unknown): string | null {
  return typeof value === 'string' ? wellFormed(value) : null;
}
