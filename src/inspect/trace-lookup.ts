/** Finds what a trace shows: by reading the topics, or by an index (event-index.ts). */

import { Decoder } from '../avro/decoder.ts';
import type { JournalRecord, Outcome } from '../avro/records.ts';
import { schemas } from '../avro/schemas.ts';
import { digestOf } from '../digest.ts';
import { partitionOf } from '../kafka/protocol/murmur2.ts';
import type { ReadRecord } from '../kafka/protocol/record-batch-reader.ts';
import type { Deployment } from '../topics/deployment.ts';

export type OnProgress = (text: string) => void;

export type FoundEntry = {
  /** Raw offset. */
  readonly offset: number;
  readonly outcome: Outcome;
  /** When the processor decided, in milliseconds since 1970. */
  readonly atMs: number;
  readonly routesVersion: string;
  readonly label: string | undefined;
};

export type Decisions = {
  /** In the order of raw. */
  readonly entries: readonly FoundEntry[];
  /** The raw offset after the last one that was decided; undefined: none was. */
  readonly position?: number | undefined;
  /** The journal of the partition holds nothing from before this time. */
  readonly fromMs?: number | undefined;
};

/** Each method throws AppError. */
export type TraceLookup = {
  /** Returns what the journal says about a raw key. */
  readonly decisionsOf: (key: string) => Promise<Decisions>;
  /** Returns the records of a raw key from an offset of its partition on. */
  readonly waitingOf: (key: string, from: number) => Promise<readonly ReadRecord[]>;
};

/** Returns a look-up that reads the whole journal of a key's partition. */
export function byReading(deployment: Deployment, onProgress: OnProgress = () => {}): TraceLookup {
  return {
    decisionsOf: (key) => readDecisions(deployment, key, onProgress),
    waitingOf: (key, from) => readWaiting(deployment, key, from),
  };
}

async function readDecisions(
  { reader, catalog, registry, partitions }: Deployment,
  key: string,
  onProgress: OnProgress,
): Promise<Decisions> {
  const [partition, digest] = [partitionOf(key, partitions), digestOf(key)];
  const range = await reader.rangeOf(catalog.journal, partition, 'start', 'end');
  const decoder = new Decoder<JournalRecord>(schemas.JournalRecord.type, registry);
  const decode = async (record: ReadRecord | undefined) => {
    const result = record && (await decoder.decodeOne(record.value));
    return result?.kind === 'decoded' ? result.value : undefined;
  };
  const entries: FoundEntry[] = [];
  let first: ReadRecord | undefined;
  let last: ReadRecord | undefined;
  for await (const record of reader.records(range)) {
    first ??= record;
    last = record;
    const read = record.offset + 1 - range.from;
    onProgress(`journal of partition ${partition}: ${read} of ${range.to - range.from} records`);
    // A digest is stored as its 16 bytes, so a record without them need not be decoded.
    if (!record.value?.includes(digest)) continue;
    const journalRecord = await decode(record);
    if (journalRecord) entries.push(...decisionsIn(journalRecord, digest));
  }
  const position = (await decode(last))?.to;
  return { entries, position, fromMs: (await decode(first))?.processedAt };
}

async function readWaiting(
  { reader, catalog, partitions }: Deployment,
  key: string,
  from: number,
): Promise<readonly ReadRecord[]> {
  const partition = partitionOf(key, partitions);
  const range = await reader.rangeOf(catalog.raw, partition, 'start', 'high-watermark');
  const waiting: ReadRecord[] = [];
  for await (const record of reader.records({ ...range, from: Math.max(range.from, from) })) {
    if (record.key?.toString() === key) waiting.push(record);
  }
  return waiting;
}

/** Returns what a record of the journal says about a digest. */
export function decisionsIn(record: JournalRecord, digest: Buffer): readonly FoundEntry[] {
  const { from, processedAt: atMs, routesVersion, labels } = record;
  return record.entries
    .filter((entry) => entry.digest.equals(digest))
    .map(({ offset, outcome, label }) => {
      return { offset: from + offset, outcome, atMs, routesVersion, label: labels[label] };
    });
}
