/** Lists the webhooks of raw in the order of time, the newest first, page by page. */

import { Decoder } from '../avro/decoder.ts';
import type { RawWebhook } from '../avro/records.ts';
import { schemas } from '../avro/schemas.ts';
import type { ReadRecord } from '../kafka/protocol/record-batch-reader.ts';
import type { Deployment } from '../topics/deployment.ts';
import { byPartition, firstPartitions } from './by-partition.ts';
import type { FoundWebhook } from './event-index.ts';
import type { Cursor } from './tail.ts';

export type WebhookPage = {
  readonly webhooks: readonly FoundWebhook[];
  /** The place before the oldest of them; undefined if there is nothing older. */
  readonly older: Cursor | undefined;
};

/** Returns the place before the first webhooks at a time or later. @throws AppError */
export async function placeAt(
  { reader, catalog, partitions }: Deployment,
  atMs: number,
): Promise<Cursor> {
  return byPartition(firstPartitions(partitions), (partition) =>
    reader.offsetOf(catalog.raw, partition, { atMs }),
  );
}

/** Returns the last webhooks before a place. @throws AppError */
export async function webhooksBefore(
  deployment: Deployment,
  place: Cursor,
  count: number,
): Promise<WebhookPage> {
  const { partitions, registry } = deployment;
  const each = Array.from({ length: partitions }, (_, partition) =>
    lastBefore(deployment, partition, place.get(partition) ?? 0, count),
  );
  const all = (await Promise.all(each)).flat();
  const newest = all.sort((a, b) => b.record.timestampMs - a.record.timestampMs).slice(0, count);
  const decoder = new Decoder<RawWebhook>(schemas.RawWebhook.type, registry);
  const webhooks: FoundWebhook[] = [];
  const older = new Map(place);
  for (const { partition, record } of newest) {
    const { offset, timestampMs } = record;
    older.set(partition, Math.min(offset, older.get(partition) ?? offset));
    const result = await decoder.decodeOne(record.value);
    const { receivedAt: receivedAtMs = timestampMs, eventType = null } =
      result.kind === 'decoded' ? result.value : {};
    const key = record.key?.toString() ?? '';
    webhooks.push({ partition, offset, key, receivedAtMs, eventType });
  }
  return { webhooks, older: all.length > webhooks.length ? older : undefined };
}

async function lastBefore(
  { reader, catalog }: Deployment,
  partition: number,
  to: number,
  count: number,
) {
  const start = await reader.offsetOf(catalog.raw, partition, 'start');
  // One more shows whether there is anything older.
  const range = { topic: catalog.raw, partition, from: Math.max(start, to - count - 1), to };
  const records: { readonly partition: number; readonly record: ReadRecord }[] = [];
  for await (const record of reader.records(range)) records.push({ partition, record });
  return records;
}
