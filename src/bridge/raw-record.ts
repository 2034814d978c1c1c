/**
 * Builds the raw record of a verified webhook. Any verified body becomes a record, even one that is
 * not JSON: the processor parks it.
 */

import type { Encoder } from '../avro/encoder.ts';
import type { RawWebhook } from '../avro/records.ts';
import type { Arena } from '../buffers/arena.ts';
import { digestOf } from '../digest.ts';
import type { KeyedRecord } from '../kafka/writer.ts';
import type { TraceHeaders } from '../observability/tracing.ts';
import type { Verified } from '../voucherify/signature.ts';
import type { EnvelopeFields } from '../voucherify/webhook.ts';

export type Receipt = {
  readonly source: string;
  readonly contentType: string | undefined;
  readonly receivedAtMs: number;
  /** The trace that the webhook belongs to. */
  readonly trace?: TraceHeaders | undefined;
};

/**
 * A received webhook, as kept in memory or in the spool until it is stored. It needs neither Kafka
 * nor the registry.
 */
export type ReceivedWebhook = { readonly verified: Verified; readonly receipt: Receipt };

export type RawRecordContext = {
  readonly encode: Encoder<RawWebhook>;
  readonly readFields: (body: Buffer) => EnvelopeFields;
};

/** @param arena holds the record's value */
export function rawRecord(
  { verified, receipt }: ReceivedWebhook,
  { encode, readFields }: RawRecordContext,
  arena?: Arena,
): KeyedRecord {
  const { body, signature, secretName } = verified;
  const { source, contentType, receivedAtMs, trace } = receipt;
  const { eventType, eventId, publicationId, projectId, createdAt } = readFields(body);
  // The same publication must go to the same partition, which remembers its id.
  const key = publicationId ?? eventId ?? digestOf(body).toString('hex');
  const headers: Record<string, string> = {
    ce_specversion: '1.0',
    ce_id: eventId ?? key,
    // Two projects may share a source, and one project may have two.
    ce_source: `urn:voucherify:${source}${projectId === undefined ? '' : `:project:${projectId}`}`,
    ce_type: `io.voucherify.${eventType ?? 'unknown'}`,
    'content-type': 'application/avro',
    'voucherbus.source': source,
    ce_partitionkey: key,
  };
  if (publicationId !== undefined) headers['ce_subject'] = publicationId;
  if (createdAt !== undefined) headers['ce_time'] = createdAt;
  if (trace) headers['traceparent'] = trace.traceparent;
  if (trace?.tracestate) headers['tracestate'] = trace.tracestate;
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
    origin: 'WEBHOOK',
    asOf: null,
  };
  return { key, value: encode(webhook, arena), headers, timestamp: String(receivedAtMs) };
}
