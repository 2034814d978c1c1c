/** Finds what a decision wrote: output events, or a dead letter. */

import { Decoder } from '../avro/decoder.ts';
import type { PublicationSucceeded } from '../avro/records.ts';
import { schemas } from '../avro/schemas.ts';
import { originOf } from '../dead-letters/letter.ts';
import type { ReadRecord } from '../kafka/protocol/record-batch-reader.ts';
import { formatPosition, type RecordPosition } from '../kafka/record-position.ts';
import type { Deployment } from '../topics/deployment.ts';
import type { FoundEntry } from './trace-lookup.ts';

export type FoundOutputs = {
  readonly positions: readonly RecordPosition[];
  readonly events: readonly (RecordPosition & { readonly event: PublicationSucceeded })[];
};

const nothing: FoundOutputs = { positions: [], events: [] };

/**
 * Returns those output topics of the entries that exist: routes change, and a topic may have been
 * deleted since.
 */
export async function existingTopics(
  { admin }: Deployment,
  entries: readonly FoundEntry[],
): Promise<ReadonlySet<string>> {
  const forwarded = entries.filter(({ outcome }) => outcome === 'FORWARDED');
  const topics = new Set(forwarded.flatMap(({ label }) => label?.split(' ') ?? []));
  return new Set((await admin.describe([...topics])).keys());
}

/**
 * While the brokers are unreachable a transaction may be retried for this long; its records are
 * then younger than the decision.
 */
const longestRetryMs = 10 * 60_000;

/** Finds what a decision wrote by its time, on the partition of its raw record. @throws AppError */
export async function findOutputs(
  deployment: Deployment,
  key: string,
  partition: number,
  entry: FoundEntry,
  existing: ReadonlySet<string>,
): Promise<FoundOutputs> {
  switch (entry.outcome) {
    case 'DEAD_LETTERED':
      return findLetter(deployment, partition, entry);
    case 'FORWARDED': {
      const topics = entry.label?.split(' ').filter((topic) => existing.has(topic)) ?? [];
      const events = [];
      for (const topic of topics) {
        events.push(...(await findEvents(deployment, topic, key, partition, entry.atMs)));
      }
      return { positions: events.map(({ event: _, ...position }) => position), events };
    }
    default:
      return nothing;
  }
}

async function findLetter(
  deployment: Deployment,
  partition: number,
  { offset, atMs }: FoundEntry,
): Promise<FoundOutputs> {
  const { raw, deadLetters } = deployment.catalog;
  const origin = formatPosition({ topic: raw, partition, offset });
  const isIts = (record: ReadRecord) =>
    formatPosition(originOf((name) => record.header(name))) === origin;
  const letters = await findFrom(deployment, deadLetters, partition, atMs, isIts);
  const positionOf = (record: ReadRecord) => {
    return { topic: deadLetters, partition, offset: record.offset };
  };
  return { positions: letters.map(positionOf), events: [] };
}

async function findEvents(
  deployment: Deployment,
  topic: string,
  key: string,
  partition: number,
  atMs: number,
): Promise<FoundOutputs['events']> {
  const decoder = new Decoder<PublicationSucceeded>(
    schemas.PublicationSucceeded.type,
    deployment.registry,
  );
  const all = Array.from({ length: deployment.partitions }, (_, other) => other);
  const isIts = (record: ReadRecord) => record.header('ce_subject') === key;
  const events = [];
  for (const candidate of [partition, ...all.filter((other) => other !== partition)]) {
    for (const record of await findFrom(deployment, topic, candidate, atMs, isIts)) {
      const result = await decoder.decodeOne(record.value);
      if (result.kind === 'undecodable') continue;
      const position = { topic, partition: candidate, offset: record.offset };
      events.push({ ...position, event: result.value });
    }
    // Most events leave on their own partition. Only a route with another key, or one that
    // explodes, leads elsewhere.
    if (candidate === partition && events.length > 0) break;
  }
  return events;
}

/** Returns the wanted records of one transaction; none if retention has deleted them. */
async function findFrom(
  { reader }: Deployment,
  topic: string,
  partition: number,
  atMs: number,
  isWanted: (record: ReadRecord) => boolean,
): Promise<readonly ReadRecord[]> {
  const range = await reader.rangeOf(topic, partition, { atMs }, 'end');
  const found: ReadRecord[] = [];
  for await (const record of reader.records({ ...range, maxBytes: 1024 * 1024 })) {
    if (isWanted(record)) found.push(record);
    // The records of one transaction are adjacent.
    else if (found.length > 0 || record.timestampMs > atMs + longestRetryMs) break;
  }
  return found;
}

const markerBytes = 256 * 1024;

/**
 * Returns when the transaction of a record was committed, by the broker's clock: the time of its
 * marker in the log. Undefined if the log does not have it.
 */
export async function committedAtMs(
  { reader }: Deployment,
  { topic, partition, offset }: RecordPosition,
): Promise<number | undefined> {
  const to = await reader.offsetOf(topic, partition, 'high-watermark');
  let producerId: bigint | undefined;
  const range = { topic, partition, from: offset, to, maxBytes: markerBytes };
  for await (const batch of reader.batches(range)) {
    producerId ??= batch.producerId;
    if (batch.isControl && batch.producerId === producerId) return batch.maxTimestampMs;
  }
  return undefined;
}
