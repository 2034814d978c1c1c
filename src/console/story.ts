/**
 * The whole story of one raw key (a publication id, for most): when it was received, what was decided each time, and what came of it. From the
 * journal, which finds everything else: the digest finds the decisions, a decision's raw offset the webhook, its time the output.
 */

import { createDecoder, type Decoder } from '../codec/decoder.ts';
import { digestOf } from '../codec/digest.ts';
import type { Batch, Outcome, PublicationSucceeded, RawWebhook } from '../codec/records.ts';
import { schemas } from '../codec/schemas.ts';
import { type Redrive, redriveOf } from '../dead-letters/redrive.ts';
import type { ReadRecord } from '../kafka/decode-batch.ts';
import { partitionOf } from '../kafka/partition-of.ts';
import type { Reader } from '../kafka/reader.ts';
import type { Scene } from '../topics/scene.ts';

export type Place = { readonly topic: string; readonly partition: number; readonly offset: number };

export type Receipt = {
  readonly receivedAtMs: number;
  readonly source: string;
  readonly secretName: string;
  readonly eventType: string | null;
  readonly eventId: string | null;
  /** Where an operator sent it back from the dead letters. */
  readonly redrive: Redrive | undefined;
};

export type Decision = {
  readonly outcome: Outcome;
  /** When the processor decided. */
  readonly atMs: number;
  readonly routesVersion: string;
  /** Output topics, the reason of a dead letter, or the type of an ignored event. */
  readonly label: string | undefined;
  /** Raw offset of the arrival that was forwarded. */
  readonly duplicateOf: number | undefined;
  /** Of the outputs or the dead letter; fewer where retention has deleted them. */
  readonly places: readonly Place[];
};

export type Arrival = {
  /** On raw. */
  readonly place: Place;
  /** Undefined where raw's retention has deleted it. */
  readonly receipt: Receipt | undefined;
  /** Undefined where no processor has come to it yet. */
  readonly decision: Decision | undefined;
};

export type Story = {
  readonly key: string;
  readonly arrivals: readonly Arrival[];
  readonly events: readonly (Place & { readonly event: PublicationSucceeded })[];
  /** The journal tells nothing of what was before. */
  readonly journalFromMs: number | undefined;
  /** Raw records of the partition that no processor has come to yet. */
  readonly lag: number;
};

export type OnProgress = (text: string) => void;

/** @throws AppError; `arrivals` is empty where nothing was ever received under the key */
export async function tellStory(scene: Scene, key: string, onProgress: OnProgress): Promise<Story> {
  const { reader, catalog, partitions } = scene;
  const partition = partitionOf(key, partitions);
  const journal = await readJournal(scene, partition, digestOf(key), onProgress);
  const [start, end] = await Promise.all([
    reader.offsetOf(catalog.raw, partition, 'start'),
    reader.offsetOf(catalog.raw, partition, 'high-watermark'),
  ]);
  const decoder = createDecoder<RawWebhook>(schemas.RawWebhook.type, scene.registry);
  const receiptAt = async (offset: number) => {
    if (offset < start || offset >= end) return undefined;
    const record = await recordAt(reader, { topic: catalog.raw, partition, offset });
    return record && receiptOf(record, decoder);
  };
  const arrivals: Arrival[] = [];
  const events: (Place & { event: PublicationSucceeded })[] = [];
  const forwarded = journal.entries.find(({ outcome }) => outcome === 'FORWARDED')?.offset;
  const existing = await existingTopics(scene, journal.entries);
  for (const entry of journal.entries) {
    const found = await consequences(scene, key, partition, entry, existing);
    events.push(...found.events);
    arrivals.push({
      place: { topic: catalog.raw, partition, offset: entry.offset },
      receipt: await receiptAt(entry.offset),
      decision: {
        outcome: entry.outcome,
        atMs: entry.atMs,
        routesVersion: entry.routesVersion,
        label: entry.label,
        duplicateOf: entry.outcome === 'DUPLICATE' ? forwarded : undefined,
        places: found.places,
      },
    });
  }
  const position = Math.max(start, journal.position ?? start);
  for (const record of await waiting(reader, catalog.raw, partition, position, end, key)) {
    const place = { topic: catalog.raw, partition, offset: record.offset };
    arrivals.push({ place, receipt: await receiptOf(record, decoder), decision: undefined });
  }
  return { key, arrivals, events, journalFromMs: journal.fromMs, lag: Math.max(0, end - position) };
}

type JournalEntry = {
  /** On raw. */
  readonly offset: number;
  readonly outcome: Outcome;
  readonly atMs: number;
  readonly routesVersion: string;
  readonly label: string | undefined;
};

async function readJournal(
  { reader, catalog, registry }: Scene,
  partition: number,
  digest: Buffer,
  onProgress: OnProgress,
) {
  const topic = catalog.journal;
  const [from, to] = await Promise.all([
    reader.offsetOf(topic, partition, 'start'),
    reader.offsetOf(topic, partition, 'end'),
  ]);
  const decoder = createDecoder<Batch>(schemas.Batch.type, registry);
  const matching: ReadRecord[] = [];
  let first: ReadRecord | undefined;
  let last: ReadRecord | undefined;
  await reader.read({
    topic,
    partition,
    from,
    to,
    visit: (record) => {
      first ??= record;
      last = record;
      // A digest is 16 bytes as they are: what does not hold them need not be decoded.
      if (record.value?.includes(digest)) matching.push(record);
    },
    onFetch: async (next) =>
      onProgress(`journal of partition ${partition}: ${next - from} of ${to - from} records`),
  });
  await decoder.prepare([...matching, first, last].map((record) => record?.value ?? null));
  const decoded = (record: ReadRecord | undefined) => {
    const batch = decoder.decode(record?.value ?? null);
    return 'kind' in batch ? undefined : batch;
  };
  const entries = matching.flatMap((record): JournalEntry[] => {
    const batch = decoded(record);
    if (!batch) return [];
    const { from: base, processedAt: atMs, routesVersion, labels } = batch;
    return batch.entries
      .filter((entry) => entry.digest.equals(digest))
      .map(({ offset, outcome, label }) => {
        return { offset: base + offset, outcome, atMs, routesVersion, label: labels[label] };
      });
  });
  return { entries, position: decoded(last)?.to, fromMs: decoded(first)?.processedAt };
}

/** Routes change, and a topic may have been deleted since. */
async function existingTopics(
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
async function consequences(
  scene: Scene,
  key: string,
  partition: number,
  { outcome, label, atMs, offset }: JournalEntry,
  existing: ReadonlySet<string>,
): Promise<Pick<Decision, 'places'> & Pick<Story, 'events'>> {
  const { catalog, registry } = scene;
  if (outcome === 'DEAD_LETTERED') {
    const isIts = (record: ReadRecord) =>
      originOf(record) === `${catalog.raw}/${partition}@${offset}`;
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

async function waiting(
  reader: Reader,
  topic: string,
  partition: number,
  from: number,
  to: number,
  key: string,
): Promise<readonly ReadRecord[]> {
  const found: ReadRecord[] = [];
  const visit = (record: ReadRecord) => {
    if (record.key?.toString() === key) found.push(record);
  };
  await reader.read({ topic, partition, from, to, visit });
  return found;
}

/** Its batch is fetched, and little more. */
const fewBytes = 64 * 1024;

async function recordAt(
  reader: Reader,
  { topic, partition, offset }: Place,
): Promise<ReadRecord | undefined> {
  let found: ReadRecord | undefined;
  const visit = (record: ReadRecord) => {
    if (record.offset === offset) found = record;
  };
  await reader.read({ topic, partition, from: offset, to: offset + 1, maxBytes: fewBytes, visit });
  return found;
}

async function receiptOf(
  record: ReadRecord,
  decoder: Decoder<RawWebhook>,
): Promise<Receipt | undefined> {
  await decoder.prepare([record.value]);
  const raw = decoder.decode(record.value);
  if ('kind' in raw) return undefined;
  const { receivedAt, source, secretName, eventType, eventId } = raw;
  const redrive = redriveOf((name) => record.header(name));
  return { receivedAtMs: receivedAt, source, secretName, eventType, eventId, redrive };
}

/** Of a dead letter: the raw record it was, as topic/partition@offset. */
function originOf(record: ReadRecord): string {
  const [topic, partition, offset] = ['topic', 'partition', 'offset'].map((name) =>
    record.header(`__streams.errors.${name}`),
  );
  return `${topic}/${partition}@${offset}`;
}
