/**
 * Finds the raw keys of the webhooks that name an id. Kafka has no index of what is in a webhook,
 * so this reads all of raw.
 */

import { Decoder } from '../avro/decoder.ts';
import type { RawWebhook } from '../avro/records.ts';
import { schemas } from '../avro/schemas.ts';
import type { Deployment } from '../topics/deployment.ts';
import { publicationOf } from '../voucherify/publication.ts';
import type { OnProgress } from './trace-lookup.ts';

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
      const ids = result.kind === 'decoded' ? idsIn(result.value, key.toString()) : [];
      if (ids.includes(wanted)) keys.add(key.toString());
    }
  };
  await Promise.all(Array.from({ length: partitions }, (_, partition) => search(partition)));
  return [...keys];
}

/**
 * Returns the ids by which people ask for a webhook: its raw key, the event's id, the codes of its
 * vouchers, the customer's id and source id, the publication's source id.
 */
export function idsIn({ body, eventId }: RawWebhook, key: string): readonly string[] {
  const { vouchers = [], customer, sourceId } = publicationOf(body) ?? {};
  const codes = vouchers.map(({ code }) => code);
  const ids = [key, eventId, ...codes, customer?.id, customer?.sourceId, sourceId];
  return [...new Set(ids.flatMap((id) => id || []))];
}
