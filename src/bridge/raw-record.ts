/** A verified webhook → its record on the raw topic. Any verified body makes one, also what is not JSON: the processor parks it. */

import type { Arena } from '../avro/arena.ts';
import type { Encoder } from '../avro/encoder.ts';
import type { RawWebhook } from '../avro/records.ts';
import { digestOf } from '../digest.ts';
import type { KeyedRecord } from '../kafka/writer.ts';
import type { Verified } from '../voucherify/signature.ts';
import { readEnvelopeFields } from './fast-path/json-fields.ts';

export type Receipt = {
  readonly source: string;
  readonly contentType: string | undefined;
  readonly receivedAtMs: number;
};

/** What is kept of a request: in memory until it is stored, on disk while Kafka is away. It needs neither Kafka nor the registry. */
export type ReceivedWebhook = { readonly verified: Verified; readonly receipt: Receipt };

/** @param space where its value is written, and stays until that is given back */
export function rawRecord(
  { body, signature, secretName }: Verified,
  { source, contentType, receivedAtMs }: Receipt,
  encode: Encoder<RawWebhook>,
  arena?: Arena,
): KeyedRecord {
  const { eventType, eventId, publicationId, projectId, createdAt } = readEnvelopeFields(body);
  // The same publication must land on the same partition, for the memory of its id is there.
  const key = publicationId ?? eventId ?? digestOf(body).toString('hex');
  const headers: Record<string, string> = {
    ce_specversion: '1.0',
    ce_id: eventId ?? key,
    // Two projects may be one source, and one project two.
    ce_source: `urn:voucherify:${source}${projectId === undefined ? '' : `:project:${projectId}`}`,
    ce_type: `io.voucherify.${eventType ?? 'unknown'}`,
    'content-type': 'application/avro',
    'voucherbus.source': source,
    ce_partitionkey: key,
  };
  if (publicationId !== undefined) headers['ce_subject'] = publicationId;
  if (createdAt !== undefined) headers['ce_time'] = createdAt;
  const webhook: RawWebhook = {
    source,
    receivedAt: receivedAtMs,
    secretName,
    signature,
    contentType: contentType ?? null,
    eventType: eventType ?? null,
    eventId: eventId ?? null,
    publicationId: publicationId ?? null,
    body,
  };
  return { key, value: encode(webhook, arena), headers, timestamp: String(receivedAtMs) };
}
