/** What a decision wrote: output events, or a dead letter. */

import { createDecoder } from '../avro/decoder.ts';
import type { PublicationSucceeded } from '../avro/records.ts';
import { schemas } from '../avro/schemas.ts';
import type { ReadRecord } from '../kafka/protocol/record-batch-reader.ts';
import { formatPosition, type RecordPosition } from '../kafka/record-position.ts';
import type { Deployment } from '../topics/deployment.ts';
import type { FoundEntry } from './journal-entries.ts';

export type FoundOutputs = {
  readonly positions: readonly RecordPosition[];
  readonly events: readonly (RecordPosition & { readonly event: PublicationSucceeded })[];
};

/** Routes change, and a topic may have been deleted since. */
export async function existingTopics(
  { admin }: Deployment,
  entries: readonly FoundEntry[],
): Promise<ReadonlySet<string>> {
  const forwarded = entries.filter(({ outcome }) => outcome === 'FORWARDED');
  const topics = new Set(forwarded.flatMap(({ label }) => label?.split(' ') ?? []));
  return new Set((await admin.describe([...topics])).keys());
}

/** A transaction may be written again for as long as the brokers are away; then its records are younger than the decision. */
const latestAfterMs = 10 * 60_000;
const step = 500;

/** What a decision wrote: found by its time, on the partition of its raw record. */
export async function findOutputs(
  deployment: Deployment,
  key: string,
  partition: number,
  { outcome, label, atMs, offset }: FoundEntry,
  existing: ReadonlySet<string>,
): Promise<FoundOutputs> {
  const { catalog, registry } = deployment;
  if (outcome === 'DEAD_LETTERED') {
    const isIts = (record: ReadRecord) =>
      originOf(record) === formatPosition({ topic: catalog.raw, partition, offset });
    const letters = await findFrom(deployment, catalog.deadLetters, partition, atMs, isIts);
    return {
      positions: letters.map((record) => positionOf(record, catalog.deadLetters, partition)),
      events: [],
    };
  }
  if (outcome !== 'FORWARDED' || label === undefined) return { positions: [], events: [] };
  const isIts = (record: ReadRecord) => record.header('ce_subject') === key;
  const events: (RecordPosition & { event: PublicationSucceeded })[] = [];
  for (const topic of label.split(' ').filter((one) => existing.has(one))) {
    const decoder = createDecoder<PublicationSucceeded>(
      schemas.PublicationSucceeded.type,
      registry,
    );
    for (const candidate of [partition, ...othersOf(partition, deployment.partitions)]) {
      const records = await findFrom(deployment, topic, candidate, atMs, isIts);
      await decoder.prepare(records.map(({ value }) => value));
      for (const record of records) {
        const event = decoder.decode(record.value);
        if (!('kind' in event)) events.push({ ...positionOf(record, topic, candidate), event });
      }
      // Most leave where they came; only a route with another key, or one that explodes, leads elsewhere.
      if (events.some((event) => event.topic === topic) && candidate === partition) break;
    }
  }
  return { positions: events.map(({ event: _, ...position }) => position), events };
}

const othersOf = (partition: number, partitions: number) =>
  Array.from({ length: partitions }, (_, other) => other).filter((other) => other !== partition);

const positionOf = ({ offset }: ReadRecord, topic: string, partition: number): RecordPosition => {
  return { topic, partition, offset };
};

/** The records, of one transaction, that are looked for; none where retention has deleted them. */
async function findFrom(
  { reader }: Deployment,
  topic: string,
  partition: number,
  atMs: number,
  isWanted: (record: ReadRecord) => boolean,
): Promise<readonly ReadRecord[]> {
  const end = await reader.offsetOf(topic, partition, 'end');
  const found: ReadRecord[] = [];
  let isPast = false;
  for (
    let from = await reader.offsetOf(topic, partition, { atMs });
    from < end && !isPast;
    from += step
  ) {
    const visit = (record: ReadRecord) => {
      isPast ||= record.timestampMs > atMs + latestAfterMs;
      if (isWanted(record)) found.push(record);
    };
    await reader.read({ topic, partition, from, to: Math.min(end, from + step), visit });
    if (found.length > 0) break;
  }
  return found;
}

/** Of a dead letter: the raw record it was, as topic/partition@offset. */
function originOf(record: ReadRecord): string {
  const [topic, partition, offset] = ['topic', 'partition', 'offset'].map((name) =>
    record.header(`__streams.errors.${name}`),
  );
  return `${topic}/${partition}@${offset}`;
}
