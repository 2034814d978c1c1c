/** Which raw keys belong to an event id or a voucher code: nothing is indexed by these, so all of raw is read. */

import { createDecoder } from '../avro/decoder.ts';
import type { RawWebhook } from '../avro/records.ts';
import { schemas } from '../avro/schemas.ts';
import { rangeOf } from '../kafka/log-reader.ts';
import type { ReadRecord } from '../kafka/protocol/record-batch-reader.ts';
import type { Deployment } from '../topics/deployment.ts';
import { readPublication } from '../voucherify/publication.ts';
import { readWebhook } from '../voucherify/webhook.ts';
import type { OnProgress } from './journal-entries.ts';

/** @param sinceMs what raw received before is not looked at */
export async function findKeys(
  { reader, registry, catalog, partitions }: Deployment,
  wanted: string,
  sinceMs: number,
  onProgress: OnProgress,
): Promise<readonly string[]> {
  const bytes = Buffer.from(wanted);
  const decoder = createDecoder<RawWebhook>(schemas.RawWebhook.type, registry);
  const keys = new Set<string>();
  const progress = { read: 0, total: 0 };
  const look = async (candidates: readonly ReadRecord[]) => {
    await decoder.prepare(candidates.map(({ value }) => value));
    for (const { key, value } of candidates) {
      const raw = decoder.decode(value);
      if (!('kind' in raw) && key && names(raw, wanted)) keys.add(key.toString());
    }
  };
  const readOne = async (partition: number) => {
    const since = { atMs: sinceMs };
    const range = await rangeOf(reader, catalog.raw, partition, since, 'high-watermark');
    progress.total += range.to - range.from;
    let seen = range.from;
    let candidates: ReadRecord[] = [];
    await reader.read({
      ...range,
      visit: (record) => {
        if (record.value?.includes(bytes)) candidates.push(record);
      },
      onFetch: async (next) => {
        await look(candidates);
        candidates = [];
        progress.read += next - seen;
        seen = next;
        onProgress(`raw: ${progress.read} of ${progress.total} records`);
      },
    });
  };
  await Promise.all(Array.from({ length: partitions }, (_, partition) => readOne(partition)));
  return [...keys];
}

function names({ body, eventId }: RawWebhook, wanted: string): boolean {
  if (eventId === wanted) return true;
  const webhook = readWebhook(body);
  if (webhook.kind !== 'publication') return false;
  const publication = readPublication(webhook);
  return (
    publication.kind === 'publication' && publication.vouchers.some(({ code }) => code === wanted)
  );
}
