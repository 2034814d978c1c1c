/**
 * Fills a raw topic as the bridge would: records of 2.5 KB, four campaign types, one in ten a
 * repeat of an earlier publication.
 */

import { createEncoder, type Encoder } from '../src/avro/encoder.ts';
import type { RawWebhook } from '../src/avro/records.ts';
import { schemas } from '../src/avro/schemas.ts';
import { fieldReader } from '../src/bridge/fast-path/fast-path.ts';
import { rawRecord } from '../src/bridge/raw-record.ts';
import { Writer } from '../src/kafka/writer.ts';
import type { TraceHeaders } from '../src/observability/tracing.ts';
import { sampleWebhook } from '../src/voucherify/sample.ts';
import { type Setting, say } from './setting.ts';

export const types = ['DISCOUNT_COUPONS', 'GIFT_VOUCHERS', 'LOYALTY_PROGRAM', 'REFERRAL_PROGRAM'];
const chunk = 1_000;
const readFields = fieldReader({ httpFastPath: 'on' });

/** The publication of record i; every tenth repeats one of the thousand before it. */
const idOf = (i: number): number => (i > 1_000 && i % 10 === 0 ? i - 1 - ((i * 7919) % 1_000) : i);

/** The first 18 characters after pub_ are also in the ids of the event and the vouchers. */
export const publicationIdOf = (n: number) =>
  `pub_${n.toString(36).padStart(18, '0').padEnd(32, '0')}`;
export const customerOf = (n: number) => `crm-${n % customers}`;
const customers = 10_000;

/** How many publications are among the first so many records. */
export function distinctIn(count: number): number {
  return new Set(Array.from({ length: count }, (_, i) => idOf(i))).size;
}

/** The raw record of a webhook that arrives now. */
export function rawOf(webhook: object, encode: Encoder<RawWebhook>, trace?: TraceHeaders) {
  const body = Buffer.from(JSON.stringify(webhook));
  const verified = { body, signature: '0'.repeat(64), secretName: 'bench' };
  const contentType = 'application/json';
  const receipt = { source: 'bench', contentType, receivedAtMs: Date.now(), trace };
  return rawRecord({ verified, receipt }, { encode, readFields });
}

/** @param start of the first record: of those filled before there are so many */
export async function fill(
  { client, catalog, schemaId }: Setting,
  count: number,
  start = 0,
  traceOf: (record: number) => TraceHeaders | undefined = () => undefined,
): Promise<void> {
  const writer = await Writer.open(client, catalog.raw);
  const encode = createEncoder<RawWebhook>(schemas.RawWebhook.type, schemaId(catalog.raw));
  for (let from = 0; from < count; from += chunk) {
    const records = Array.from({ length: Math.min(chunk, count - from) }, (_, k) => {
      const record = start + from + k;
      const n = idOf(record);
      const campaignType = types[n % 4] as string;
      const ids = { publicationId: publicationIdOf(n), sourceId: customerOf(n) };
      return rawOf(sampleWebhook({ ...ids, campaignType }), encode, traceOf(record));
    });
    await writer.write(records, 30_000);
    if ((from + chunk) % 50_000 === 0) say(`filled ${from + chunk} of ${count}`);
  }
  await writer.close();
}
