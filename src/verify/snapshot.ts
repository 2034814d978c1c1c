/**
 * Takes a snapshot of the topics and the group after a load: the logs themselves, and what a
 * read_committed consumer sees.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { Decoder } from '../avro/decoder.ts';
import type { JournalRecord, PublicationSucceeded, RawWebhook } from '../avro/records.ts';
import { type AvroType, schemas } from '../avro/schemas.ts';
import type { ReadRecord } from '../kafka/protocol/record-batch-reader.ts';
import type { RecordPosition } from '../kafka/record-position.ts';
import type { Deployment } from '../topics/deployment.ts';
import { readLog } from './read-log.ts';

export type Snapshot = {
  readonly raw: readonly (RecordPosition & { readonly id: string })[];
  readonly outputs: readonly (RecordPosition & { readonly id: string })[];
  readonly deadLetters: readonly (RecordPosition & {
    readonly origin: { readonly partition: number; readonly offset: number };
    readonly reason: string;
  })[];
  readonly journal: readonly (RecordPosition & { readonly record: JournalRecord })[];
  /** Records of ours that match no schema. */
  readonly undecodable: readonly RecordPosition[];
  /** The group's committed offsets by partition, and the ends of raw. */
  readonly committed: ReadonlyMap<number, number>;
  readonly rawEnds: ReadonlyMap<number, number>;
  /** Records of transactions that are neither committed nor aborted. */
  readonly open: readonly RecordPosition[];
  /**
   * Aborted or open records that a read_committed reader saw, and committed ones that it did not
   * see.
   */
  readonly shownWrongly: readonly RecordPosition[];
  readonly hiddenWrongly: readonly RecordPosition[];
  readonly abortedRecords: number;
};

/** First offsets to read, by `topic/partition`. */
export type StartOffsets = ReadonlyMap<string, number>;

const partitionName = (topic: string, partition: number) => `${topic}/${partition}`;

/** Returns the current end of every partition: a later snapshot begins there. */
export async function startOffsetsOf(deployment: Deployment): Promise<StartOffsets> {
  const offsets = new Map<string, number>();
  await eachPartition(deployment, async (topic, partition) => {
    const end = await deployment.reader.offsetOf(topic, partition, 'end');
    offsets.set(partitionName(topic, partition), end);
  });
  return offsets;
}

async function eachPartition(
  { catalog, partitions }: Deployment,
  run: (topic: string, partition: number) => Promise<void>,
): Promise<void> {
  for (const { name, role } of catalog.topics) {
    // It has no events.
    if (role === 'reconcile') continue;
    await Promise.all(Array.from({ length: partitions }, (_, partition) => run(name, partition)));
  }
}

export type Backlog = { readonly unprocessed: number; readonly openPartitions: number };

/**
 * Waits until raw is processed to its end and no transaction is open. Returns what is left after
 * `timeoutMs`.
 */
export async function settled(
  deployment: Deployment,
  timeoutMs: number,
  onProgress: (backlog: Backlog) => void,
): Promise<Backlog> {
  for (const deadline = performance.now() + timeoutMs; ; await sleep(200)) {
    const backlog = await backlogOf(deployment);
    onProgress(backlog);
    const isDone = backlog.unprocessed === 0 && backlog.openPartitions === 0;
    if (isDone || performance.now() > deadline) return backlog;
  }
}

async function backlogOf(deployment: Deployment): Promise<Backlog> {
  const { reader, admin, catalog, group } = deployment;
  const committed = await admin.committedOffsets(group, catalog.raw);
  let unprocessed = 0;
  let openPartitions = 0;
  await eachPartition(deployment, async (topic, partition) => {
    const end = await reader.offsetOf(topic, partition, 'high-watermark');
    if (topic === catalog.raw) {
      const start = await reader.offsetOf(topic, partition, 'start');
      unprocessed += Math.max(0, end - Math.max(start, committed.get(partition) ?? 0));
    } else if (end !== (await reader.offsetOf(topic, partition, 'end'))) {
      openPartitions += 1;
    }
  });
  return { unprocessed, openPartitions };
}

type Found = RecordPosition & { readonly record: ReadRecord };

type Logs = Pick<
  Snapshot,
  'rawEnds' | 'open' | 'shownWrongly' | 'hiddenWrongly' | 'abortedRecords'
> & {
  /** By topic, each partition in its order. */
  readonly committed: ReadonlyMap<string, readonly Found[]>;
};

/**
 * Reads every log from its start offset on, by its markers and as a read_committed consumer sees
 * it.
 */
async function readLogs(deployment: Deployment, startOffsets: StartOffsets): Promise<Logs> {
  const { reader, catalog } = deployment;
  const rawEnds = new Map<number, number>();
  const committed = new Map<string, Found[]>();
  const open: RecordPosition[] = [];
  const shownWrongly: RecordPosition[] = [];
  const hiddenWrongly: RecordPosition[] = [];
  let abortedRecords = 0;
  await eachPartition(deployment, async (topic, partition) => {
    const whole = await reader.rangeOf(topic, partition, 'start', 'high-watermark');
    const from = Math.max(whole.from, startOffsets.get(partitionName(topic, partition)) ?? 0);
    if (topic === catalog.raw) rawEnds.set(partition, whole.to);
    const scanned = await readLog(reader, { ...whole, from });
    const to = await reader.offsetOf(topic, partition, 'end');
    const shown = new Set<number>();
    for await (const { offset } of reader.records({ ...whole, from, to })) shown.add(offset);
    const good: Found[] = [];
    for (const { record, state } of scanned) {
      const position = { topic, partition, offset: record.offset };
      const isShown = shown.has(record.offset);
      if (state === 'committed') good.push({ ...position, record });
      if (state === 'aborted') abortedRecords += 1;
      if (state === 'open') open.push(position);
      if (state === 'committed' && !isShown) hiddenWrongly.push(position);
      if (state !== 'committed' && isShown) shownWrongly.push(position);
    }
    committed.set(topic, [...(committed.get(topic) ?? []), ...good]);
  });
  return { open, shownWrongly, hiddenWrongly, rawEnds, committed, abortedRecords };
}

/**
 * @param startOffsets the snapshot begins there; a partition without one begins at its log's start
 */
export async function takeSnapshot(
  deployment: Deployment,
  startOffsets: StartOffsets,
): Promise<Snapshot> {
  const { admin, catalog, group, registry } = deployment;
  const { committed, ...logs } = await readLogs(deployment, startOffsets);
  const undecodable: RecordPosition[] = [];
  const decodeAll = async <T>(topic: string, type: AvroType) => {
    const decoder = new Decoder<T>(type, registry);
    const found = [];
    for (const { record, ...position } of committed.get(topic) ?? []) {
      found.push({ position, record, result: await decoder.decodeOne(record.value) });
    }
    return found;
  };
  /** Decodes what this build wrote: a record that matches no schema is a violation of its own. */
  const decodeOurs = async <T>(topic: string, type: AvroType) =>
    (await decodeAll<T>(topic, type)).flatMap(({ position, result }) => {
      if (result.kind === 'decoded') return [{ ...position, value: result.value }];
      undecodable.push(position);
      return [];
    });
  const { RawWebhook: rawSchema, PublicationSucceeded: outputSchema } = schemas;
  const outputs = await Promise.all(
    Object.values(catalog.publications).map((topic) =>
      decodeOurs<PublicationSucceeded>(topic, outputSchema.type),
    ),
  );
  const raw = await decodeAll<RawWebhook>(catalog.raw, rawSchema.type);
  const journal = await decodeOurs<JournalRecord>(catalog.journal, schemas.JournalRecord.type);
  return {
    raw: raw.map(({ position, record, result }) => {
      const publicationId = result.kind === 'decoded' ? result.value.publicationId : null;
      return { ...position, id: publicationId ?? record.key?.toString() ?? '' };
    }),
    outputs: outputs.flat().map(({ value, ...position }) => {
      return { ...position, id: value.publicationId };
    }),
    deadLetters: (committed.get(catalog.deadLetters) ?? []).map(letterOf),
    journal: journal.map(({ value, ...position }) => ({ ...position, record: value })),
    undecodable,
    committed: await admin.committedOffsets(group, catalog.raw),
    ...logs,
  };
}

function letterOf({ record, ...position }: Found): Snapshot['deadLetters'][number] {
  const number = (name: string) => Number(record.header(`__streams.errors.${name}`) ?? Number.NaN);
  return {
    ...position,
    origin: { partition: number('partition'), offset: number('offset') },
    reason: record.header('voucherbus.error.reason') ?? '',
  };
}
