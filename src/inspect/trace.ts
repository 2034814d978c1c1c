/**
 * The whole story of one raw key (a publication id, for most): when it was received, what was decided each time, and what came of it. From the
 * journal, which finds everything else: the digest finds the decisions, a decision's raw offset the webhook, its time the output.
 */

import { createDecoder, type Decoder } from '../avro/decoder.ts';
import type { Outcome, PublicationSucceeded, RawWebhook } from '../avro/records.ts';
import { schemas } from '../avro/schemas.ts';
import { type Redrive, redriveOf } from '../dead-letters/redrive.ts';
import { digestOf } from '../digest.ts';
import { type Reader, rangeOf } from '../kafka/log-reader.ts';
import { partitionOf } from '../kafka/protocol/murmur2.ts';
import type { ReadRecord } from '../kafka/protocol/record-batch-reader.ts';
import type { RecordPosition } from '../kafka/record-position.ts';
import type { Deployment } from '../topics/deployment.ts';
import { existingTopics, findOutputs } from './find-outputs.ts';
import { type OnProgress, readJournal } from './journal-entries.ts';

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
  readonly positions: readonly RecordPosition[];
};

export type Arrival = {
  /** On raw. */
  readonly position: RecordPosition;
  /** Undefined where raw's retention has deleted it. */
  readonly receipt: Receipt | undefined;
  /** Undefined where no processor has come to it yet. */
  readonly decision: Decision | undefined;
};

export type Trace = {
  readonly key: string;
  readonly arrivals: readonly Arrival[];
  readonly events: readonly (RecordPosition & { readonly event: PublicationSucceeded })[];
  /** The journal tells nothing of what was before. */
  readonly journalFromMs: number | undefined;
  /** Raw records of the partition that no processor has come to yet. */
  readonly lag: number;
};

/** @throws AppError; `arrivals` is empty where nothing was ever received under the key */
export async function buildTrace(
  deployment: Deployment,
  key: string,
  onProgress: OnProgress,
): Promise<Trace> {
  const { reader, catalog, partitions } = deployment;
  const partition = partitionOf(key, partitions);
  const journal = await readJournal(deployment, partition, digestOf(key), onProgress);
  const raw = await rangeOf(reader, catalog.raw, partition, 'start', 'high-watermark');
  const decoder = createDecoder<RawWebhook>(schemas.RawWebhook.type, deployment.registry);
  const receiptAt = async (offset: number) => {
    if (offset < raw.from || offset >= raw.to) return undefined;
    const record = await recordAt(reader, { topic: catalog.raw, partition, offset });
    return record && receiptOf(record, decoder);
  };
  const arrivals: Arrival[] = [];
  const events: (RecordPosition & { event: PublicationSucceeded })[] = [];
  const forwarded = journal.entries.find(({ outcome }) => outcome === 'FORWARDED')?.offset;
  const existing = await existingTopics(deployment, journal.entries);
  for (const entry of journal.entries) {
    const found = await findOutputs(deployment, key, partition, entry, existing);
    events.push(...found.events);
    arrivals.push({
      position: { topic: catalog.raw, partition, offset: entry.offset },
      receipt: await receiptAt(entry.offset),
      decision: {
        outcome: entry.outcome,
        atMs: entry.atMs,
        routesVersion: entry.routesVersion,
        label: entry.label,
        duplicateOf: entry.outcome === 'DUPLICATE' ? forwarded : undefined,
        positions: found.positions,
      },
    });
  }
  const position = Math.max(raw.from, journal.position ?? raw.from);
  for (const record of await waiting(reader, { ...raw, from: position }, key)) {
    const position = { topic: catalog.raw, partition, offset: record.offset };
    arrivals.push({ position, receipt: await receiptOf(record, decoder), decision: undefined });
  }
  return {
    key,
    arrivals,
    events,
    journalFromMs: journal.fromMs,
    lag: Math.max(0, raw.to - position),
  };
}

type Range = Awaited<ReturnType<typeof rangeOf>>;

async function waiting(reader: Reader, range: Range, key: string): Promise<readonly ReadRecord[]> {
  const found: ReadRecord[] = [];
  const visit = (record: ReadRecord) => {
    if (record.key?.toString() === key) found.push(record);
  };
  await reader.read({ ...range, visit });
  return found;
}

/** Its batch is fetched, and little more. */
const fewBytes = 64 * 1024;

async function recordAt(
  reader: Reader,
  { topic, partition, offset }: RecordPosition,
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
