/** Valid by default; override what matters to the test. */

import { createEncoder } from '../../src/avro/encoder.ts';
import type { RawWebhook } from '../../src/avro/records.ts';
import { schemas } from '../../src/avro/schemas.ts';
import type { InputRecord } from '../../src/kafka/group.ts';
import { type Publication, readPublication } from '../../src/voucherify/publication.ts';
import { sampleWebhook, type Variation } from '../../src/voucherify/sample.ts';
import { readWebhook } from '../../src/voucherify/webhook.ts';

export function aBody(variation: Variation = {}): Buffer {
  return Buffer.from(JSON.stringify(sampleWebhook(variation)));
}

/** The arrival of an event that a webhook brought. */
export const byWebhook = { origin: 'WEBHOOK', asOfMs: null, isStaleAllowed: false } as const;

type Data = Record<string, Record<string, unknown>>;

/** @param change what of the webhook's data is to be another */
export function aPublication(
  variation: Variation = {},
  change: (data: Data) => object = () => ({}),
): Publication {
  const sample = sampleWebhook(variation) as { data: Data };
  const body = { ...sample, data: { ...sample.data, ...change(sample.data) } };
  const webhook = readWebhook(Buffer.from(JSON.stringify(body)));
  if (webhook.kind !== 'publication') throw new Error(`not a publication: ${webhook.kind}`);
  const publication = readPublication(webhook);
  if (publication.kind === 'rejection') throw new Error(publication.message);
  return publication;
}

const someBody = aBody({ publicationId: 'pub_1', createdAt: '2023-11-14T22:00:00.000Z' });

export function aRawWebhook(changes: Partial<RawWebhook> = {}): RawWebhook {
  return {
    source: 'voucherify',
    receivedAt: 1_700_000_000_000,
    secretName: 'default',
    signature: '0'.repeat(64),
    contentType: 'application/json',
    eventType: 'publication.succeeded',
    eventId: 'evpub_1',
    publicationId: 'pub_1',
    body: someBody,
    origin: 'WEBHOOK',
    asOf: null,
    ...changes,
  };
}

const rawSchemaId = 7;
const encodeRaw = createEncoder<RawWebhook>(schemas.RawWebhook.type, rawSchemaId);

/** A record as the consumer gets it. */
export function anInput(
  offset: number,
  value: Buffer | null,
  key = 'pub_1',
  headers: Record<string, string> = {},
): InputRecord {
  return {
    key: Buffer.from(key),
    value,
    offset: String(offset),
    timestamp: '1700000000000',
    headers,
    header: (name) => headers[name],
  };
}

export function aRawValue(changes: Partial<RawWebhook> = {}): Buffer {
  return encodeRaw(aRawWebhook(changes));
}

/** A registry that knows this build's raw schema, and what else is given. */
export function aRegistry(others: Readonly<Record<number, string>> = {}) {
  const texts: Readonly<Record<number, string>> = {
    [rawSchemaId]: schemas.RawWebhook.text,
    ...others,
  };
  return { schemaText: async (id: number) => texts[id] };
}
