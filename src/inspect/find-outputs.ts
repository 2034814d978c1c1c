/** What a decision wrote: output events, or a dead letter. */

import { createDecoder } from '../avro/decoder.ts';
import type { PublicationSucceeded } from '../avro/records.ts';
import { schemas } from '../avro/schemas.ts';
import type { ReadRecord } from '../kafka/protocol/record-batch-reader.ts';
import { nameOf, type Place } from '../kafka/record-position.ts';
import type { Scene } from '../topics/deployment.ts';
import type { JournalEntry } from './journal-entries.ts';

export type Consequences = {
  readonly places: readonly Place[];
  readonly events: readonly (Place & { readonly event: PublicationSucceeded })[];
};

/** Routes change, and a topic may have been deleted since. */
export async function existingTopics(
  { admin }: Scene,
  entries: readonly JournalEntry[],
): Promise<ReadonlySet<string>> {
  const forwarded = entries.filter(({ outcome }) => outcome === 'FORWARDED');
  const topics = new Set(forwarded.flatMap(({ label }) => label?.split(' ') ?? []));
  return new Set((await admin.describe([...topics])).keys());
}

/** A transaction may be written again for as long as the brokers are away; then its records are younger than the decision. */
const latestAfterMs = 10 * 60_000;
const step = 500;

/** What a decision wrote: found by its time, on the partition of its raw record. */
export async function consequences(
  scene: Scene,
  key: string,
  partition: number,
  { outcome, label, atMs, offset }: JournalEntry,
  existing: ReadonlySet<string>,
): Promise<Consequences> {
  const { catalog, registry } = scene;
  if (outcome === 'DEAD_LETTERED') {
    const isIts = (record: ReadRecord) =>
      originOf(record) === nameOf({ topic: catalog.raw, partition, offset });
    const letters = await findFrom(scene, catalog.deadLetters, partition, atMs, isIts);
    return {
      places: letters.map((record) => placeOf(record, catalog.deadLetters, partition)),
      events: [],
    };
  }
  if (outcome !== 'FORWARDED' || label === undefined) return { places: [], events: [] };
  const isIts = (record: ReadRecord) => record.header('ce_subject') === key;
  const events: (Place & { event: PublicationSucceeded })[] = [];
  for (const topic of label.split(' ').filter((one) => existing.has(one))) {
    const decoder = createDecoder<PublicationSucceeded>(
      schemas.PublicationSucceeded.type,
      registry,
    );
    for (const candidate of [partition, ...othersOf(partition, scene.partitions)]) {
      const records = await findFrom(scene, topic, candidate, atMs, isIts);
      await decoder.prepare(records.map(({ value }) => value));
      for (const record of records) {
        const event = decoder.decode(record.value);
        if (!('kind' in event)) events.push({ ...placeOf(record, topic, candidate), event });
      }
      // Most leave where they came; only a route with another key, or one that explodes, leads elsewhere.
      if (events.some((event) => event.topic === topic) && candidate === partition) break;
    }
  }
  return { places: events.map(({ event: _, ...place }) => place), events };
}

const othersOf = (partition: number, partitions: number) =>
  Array.from({ length: partitions }, (_, other) => other).filter((other) => other !== partition);

const placeOf = ({ offset }: ReadRecord, topic: string, partition: number): Place => {
  return { topic, partition, offset };
};

/** The records, of one transaction, that are looked for; none where retention has deleted them. */
async function findFrom(
  { reader }: Scene,
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
