/** What lies on the topics and in the group after a drive: read from the logs themselves, and as a read_committed consumer sees them. */

import { setTimeout as sleep } from 'node:timers/promises';
import { createDecoder } from '../avro/decoder.ts';
import type { JournalRecord, PublicationSucceeded, RawWebhook } from '../avro/records.ts';
import { type AvroType, schemas } from '../avro/schemas.ts';
import type { ReadRecord } from '../kafka/protocol/record-batch-reader.ts';
import type { Deployment } from '../topics/deployment.ts';
import { readLog } from './read-log.ts';

export type RecordPosition = {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
};

export type Snapshot = {
  readonly raw: readonly (RecordPosition & { readonly id: string })[];
  readonly outputs: readonly (RecordPosition & { readonly id: string })[];
  readonly deadLetters: readonly (RecordPosition & {
    readonly origin: { readonly partition: number; readonly offset: number };
    readonly reason: string;
  })[];
  readonly journal: readonly (RecordPosition & { readonly batch: JournalRecord })[];
  /** Records of ours that no schema fits. */
  readonly undecodable: readonly RecordPosition[];
  /** The group's committed offsets by partition, and where raw ends. */
  readonly committed: ReadonlyMap<number, number>;
  readonly rawEnds: ReadonlyMap<number, number>;
  /** Records of transactions that are neither committed nor aborted. */
  readonly open: readonly RecordPosition[];
  /** Aborted or open records that a read_committed reader was shown, and committed ones that it was not. */
  readonly shownWrongly: readonly RecordPosition[];
  readonly hiddenWrongly: readonly RecordPosition[];
  readonly abortedRecords: number;
};

/** First offsets to look at, by `topic/partition`. */
export type StartOffsets = ReadonlyMap<string, number>;

const partitionName = (topic: string, partition: number) => `${topic}/${partition}`;

/** Where every topic ends now: later evidence begins there. */
export async function startOffsetsOf(deployment: Deployment): Promise<StartOffsets> {
  const startOffsets = new Map<string, number>();
  await eachPartition(deployment, async (topic, partition) => {
    startOffsets.set(
      partitionName(topic, partition),
      await deployment.reader.offsetOf(topic, partition, 'end'),
    );
  });
  return startOffsets;
}

async function eachPartition(
  { catalog, partitions }: Deployment,
  run: (topic: string, partition: number) => Promise<void>,
): Promise<void> {
  for (const { name } of catalog.topics) {
    await Promise.all(Array.from({ length: partitions }, (_, partition) => run(name, partition)));
  }
}

export type Backlog = { readonly unprocessed: number; readonly openPartitions: number };

/** Waits until raw is processed to its end and no transaction is open. Answers what is left after `timeoutMs`: nothing, where all is well. */
export async function settled(
  deployment: Deployment,
  timeoutMs: number,
  onProgress: (backlog: Backlog) => void,
): Promise<Backlog> {
  for (const deadline = Date.now() + timeoutMs; ; await sleep(200)) {
    const backlog = await backlogOf(deployment);
    onProgress(backlog);
    const isDone = backlog.unprocessed === 0 && backlog.openPartitions === 0;
    if (isDone || Date.now() > deadline) return backlog;
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

/** Every log from its mark on, by its markers and as a read_committed consumer sees it. */
async function readLogs(deployment: Deployment, startOffsets: StartOffsets): Promise<Logs> {
  const { reader, catalog } = deployment;
  const rawEnds = new Map<number, number>();
  const committed = new Map<string, readonly Found[]>();
  const others: Record<'open' | 'shownWrongly' | 'hiddenWrongly', RecordPosition[]> = {
    open: [],
    shownWrongly: [],
    hiddenWrongly: [],
  };
  let abortedRecords = 0;
  await eachPartition(deployment, async (topic, partition) => {
    const to = await reader.offsetOf(topic, partition, 'high-watermark');
    const start = await reader.offsetOf(topic, partition, 'start');
    const from = Math.max(start, startOffsets.get(partitionName(topic, partition)) ?? 0);
    if (topic === catalog.raw) rawEnds.set(partition, to);
    const judged = await readLog(reader, { topic, partition, from, to });
    const shown = new Set<number>();
    const end = await reader.offsetOf(topic, partition, 'end');
    const visit = ({ offset }: ReadRecord) => void shown.add(offset);
    await reader.read({ topic, partition, from, to: end, visit });
    const good: Found[] = [];
    for (const { record, state } of judged) {
      const position = { topic, partition, offset: record.offset };
      const isShown = shown.has(record.offset);
      if (state === 'committed') good.push({ ...position, record });
      if (state === 'aborted') abortedRecords += 1;
      if (state === 'open') others.open.push(position);
      if (state === 'committed' && !isShown) others.hiddenWrongly.push(position);
      if (state !== 'committed' && isShown) others.shownWrongly.push(position);
    }
    committed.set(topic, [...(committed.get(topic) ?? []), ...good]);
  });
  return { ...others, rawEnds, committed, abortedRecords };
}

/** @param marks begin here; where there is none, at the log's start */
export async function takeSnapshot(
  deployment: Deployment,
  startOffsets: StartOffsets,
): Promise<Snapshot> {
  const { admin, catalog, group, registry } = deployment;
  const { committed, ...logs } = await readLogs(deployment, startOffsets);
  const undecodable: RecordPosition[] = [];
  const of = (topic: string) => committed.get(topic) ?? [];
  const decoded = async <T>(topic: string, type: AvroType) => {
    const decoder = createDecoder<T>(type, registry);
    const all = of(topic);
    await decoder.prepare(all.map(({ record }) => record.value));
    return all.map(({ record, ...position }) => {
      const value = decoder.decode(record.value);
      const isDecoded = !(typeof value === 'object' && value !== null && 'kind' in value);
      return { position, key: record.key?.toString() ?? '', value: isDecoded ? value : undefined };
    });
  };
  /** What this build wrote: a record that no schema fits is a fault of its own. */
  const ours = async <T>(topic: string, type: AvroType) =>
    (await decoded<T>(topic, type)).flatMap(({ position, value }) => {
      if (value === undefined) undecodable.push(position);
      return value === undefined ? [] : [{ ...position, value }];
    });
  const outputs = await Promise.all(
    Object.values(catalog.publications).map(async (topic) =>
      (await ours<PublicationSucceeded>(topic, schemas.PublicationSucceeded.type)).map(
        ({ value, ...position }) => ({ ...position, id: value.publicationId }),
      ),
    ),
  );
  const raw = await decoded<RawWebhook>(catalog.raw, schemas.RawWebhook.type);
  const journal = await ours<JournalRecord>(catalog.journal, schemas.JournalRecord.type);
  return {
    raw: raw.map(({ position, key, value }) => ({ ...position, id: value?.publicationId ?? key })),
    outputs: outputs.flat(),
    deadLetters: of(catalog.deadLetters).map(({ record, ...position }) => {
      const headers = new Map(record.headers.map(([name, value]) => [name, value?.toString()]));
      const number = (name: string) =>
        Number(headers.get(`__streams.errors.${name}`) ?? Number.NaN);
      return {
        ...position,
        origin: { partition: number('partition'), offset: number('offset') },
        reason: headers.get('voucherbus.error.reason') ?? '',
      };
    }),
    journal: journal.map(({ value, ...position }) => ({ ...position, batch: value })),
    undecodable,
    committed: await admin.committedOffsets(group, catalog.raw),
    ...logs,
  };
}
