/**
 * Finds the raw keys of an event id or a voucher code. Nothing is indexed by these, so all of raw
 * is read.
 */

import { Decoder } from '../avro/decoder.ts';
import type { RawWebhook } from '../avro/records.ts';
import { schemas } from '../avro/schemas.ts';
import type { Deployment } from '../topics/deployment.ts';
import { publicationOf } from '../voucherify/publication.ts';
import type { OnProgress } from './journal-entries.ts';

/** @param sinceMs records that raw received before this are skipped. @throws AppError */
export async function findKeys(
  { reader, registry, catalog, partitions }: Deployment,
  wanted: string,
  sinceMs: number,
  onProgress: OnProgress,
): Promise<readonly string[]> {
  const bytes = Buffer.from(wanted);
  const decoder = new Decoder<RawWebhook>(schemas.RawWebhook.type, registry);
  const keys = new Set<string>();
  const progress = { read: 0, total: 0 };
  const search = async (partition: number) => {
    const since = { atMs: sinceMs };
    const range = await reader.rangeOf(catalog.raw, partition, since, 'high-watermark');
    progress.total += range.to - range.from;
    for await (const { key, value } of reader.records(range)) {
      progress.read += 1;
      onProgress(`raw: ${progress.read} of ${progress.total} records`);
      if (!key || !value?.includes(bytes)) continue;
      const result = await decoder.decodeOne(value);
      if (result.kind === 'decoded' && names(result.value, wanted)) keys.add(key.toString());
    }
  };
  await Promise.all(Array.from({ length: partitions }, (_, partition) => search(partition)));
  return [...keys];
}

function names({ body, eventId }: RawWebhook, wanted: string): boolean {
  if (eventId === wanted) return true;
  return publicationOf(body)?.vouchers.some(({ code }) => code === wanted) ?? false;
}
