/** The raw record of a backfill: under the key that the publication's webhook would have. */

import type { Encoder } from '../avro/encoder.ts';
import type { RawWebhook } from '../avro/records.ts';
import type { KeyedRecord } from '../kafka/writer.ts';
import { allowStaleHeader, originHeader, reconcileRunHeader } from '../topics/backfill-headers.ts';
import type { JsonObject } from '../voucherify/json-part.ts';

export type Backfill = {
  readonly publicationId: string;
  readonly body: JsonObject;
  /** When Voucherify's API was asked, in milliseconds since 1970. */
  readonly asOfMs: number;
  readonly createdAt: string;
};

export type BackfillContext = {
  readonly encode: Encoder<RawWebhook>;
  readonly runId: string;
  /** The source under which the webhook would have arrived. */
  readonly source: string;
  readonly projectId: string | null;
  readonly isStaleAllowed: boolean;
};

const eventType = 'publication.succeeded';

export function backfillRecord(
  { publicationId, body, asOfMs, createdAt }: Backfill,
  { encode, runId, source, projectId, isStaleAllowed }: BackfillContext,
): KeyedRecord {
  const webhook: RawWebhook = {
    source,
    receivedAt: asOfMs,
    secretName: '',
    signature: '',
    contentType: 'application/json',
    eventType,
    eventId: null,
    publicationId,
    body: Buffer.from(JSON.stringify(body)),
    origin: 'BACKFILL',
    asOf: asOfMs,
  };
  return {
    key: publicationId,
    value: encode(webhook),
    timestamp: String(asOfMs),
    headers: {
      ce_specversion: '1.0',
      ce_id: publicationId,
      ce_source: `urn:voucherify:${source}${projectId === null ? '' : `:project:${projectId}`}`,
      ce_type: `io.voucherify.${eventType}`,
      ce_subject: publicationId,
      ce_time: createdAt,
      ce_partitionkey: publicationId,
      'content-type': 'application/avro',
      'voucherbus.source': source,
      [originHeader]: 'backfill',
      [reconcileRunHeader]: runId,
      ...(isStaleAllowed && { [allowStaleHeader]: 'true' }),
    },
  };
}
