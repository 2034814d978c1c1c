/**
 * Restore of a million ids from one partition of the journal, beside a stock KafkaJS consumer that
 * reads the same records into a Map.
 */

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Decoder } from '../src/avro/decoder.ts';
import { createEncoder } from '../src/avro/encoder.ts';
import type { JournalRecord } from '../src/avro/records.ts';
import { schemas } from '../src/avro/schemas.ts';
import { digestOf } from '../src/digest.ts';
import { noIdentity } from '../src/journal/deployment-identity.ts';
import { restore } from '../src/journal/restore.ts';
import { Kafka, logLevel } from '../src/kafka/kafkajs.ts';
import { LogReader } from '../src/kafka/log-reader.ts';
import { Writer } from '../src/kafka/writer.ts';
import type { Measure, Race, Values } from './race.ts';
import { prepare, type Setting, say } from './setting.ts';

const perWrite = 1_000;

const contestants = ['voucherbus', 'KafkaJS into a Map'] as const;
type Name = (typeof contestants)[number];

/** How many ids per journal record holds: a backlog's, a busy hour's, a quiet one's. */
export const idsPerRecord = [
  ['at500', 500],
  ['at20', 20],
  ['at1', 1],
] as const;

export const timesByRecord = {
  at500: { label: '500 ids per journal record, s', digits: 2, better: 'less' },
  at20: { label: '20 ids per journal record, s', digits: 2, better: 'less' },
  at1: { label: 'one id per journal record, s', digits: 2, better: 'less' },
} as const satisfies Record<string, Measure>;

const measures = {
  ...timesByRecord,
  bytesPerId: { label: 'bytes of memory per id', digits: 0, better: 'less' },
} as const satisfies Record<string, Measure>;

type Run = Values<keyof typeof measures>;

export async function benchRestore(ids: number, runs: number): Promise<Race> {
  const results: Record<Name, Partial<Run>[]> = { voucherbus: [], 'KafkaJS into a Map': [] };
  for (const [key, perRecord] of idsPerRecord) {
    const setting = await prepare(`restore-${perRecord}-${Date.now().toString(36)}`, 1);
    say(`filling the journal with ${ids} ids, ${perRecord} a record`);
    await fillJournal(setting, ids, perRecord);
    for (let run = 0; run < runs; run += 1) {
      const ours = await restoreOurs(setting, ids);
      const theirs = await restorePeer(setting, ids);
      for (const [name, { ms, bytesPerId }] of [
        ['voucherbus', ours],
        ['KafkaJS into a Map', theirs],
      ] as const) {
        results[name][run] = { ...results[name][run], [key]: ms / 1_000, bytesPerId };
      }
      say(
        `run ${run + 1}, ${perRecord} a record: voucherbus ${Math.round(ours.ms)} ms, KafkaJS into a Map ${Math.round(theirs.ms)} ms`,
      );
    }
    await setting.admin.close();
  }
  return {
    title: `Restore of ${ids} ids from one partition; medians (and all) of ${runs} runs in turns`,
    contestants,
    measures,
    runs: results as Record<Name, Run[]>,
  };
}

/** @param name begins each id, and tells the partitions' ids apart */
export async function fillJournal(
  { client, catalog, schemaId }: Setting,
  ids: number,
  perRecord: number,
  partition = 0,
  name = 'pub',
) {
  const writer = await Writer.open(client, catalog.journal);
  const encode = createEncoder<JournalRecord>(
    schemas.JournalRecord.type,
    schemaId(catalog.journal),
  );
  const now = Date.now();
  for (let from = 0; from < ids; ) {
    const records = [];
    for (
      ;
      from < ids && records.length < Math.ceil(perWrite / Math.sqrt(perRecord));
      from += perRecord
    ) {
      const entries = Array.from({ length: perRecord }, (_, i) => ({
        digest: digestOf(`${name}_${from + i}`),
        offset: i,
        outcome: 'FORWARDED' as const,
        label: 0,
      }));
      const batch = {
        // One raw offset a record, for the journal stands in for raw below.
        from: from / perRecord,
        to: from / perRecord + 1,
        receivedUntil: now,
        processedAt: now,
        lastTimestamp: -1,
        identity: noIdentity,
        deployment: null,
        routesVersion: 'builtin',
        labels: [catalog.publications.other],
        entries,
      };
      records.push({ key: 'journal', partition, value: encode(batch), timestamp: String(now) });
    }
    await writer.write(records, 30_000);
  }
  await writer.close();
}

async function restoreOurs({ client, catalog, registry }: Setting, ids: number) {
  const reader = new LogReader(client);
  const decoder = new Decoder<JournalRecord>(schemas.JournalRecord.type, registry);
  let shownAt = 0;
  const startedAt = performance.now();
  const { state } = await restore({
    reader,
    decoder,
    // Nothing is in raw here: the journal stands in for it, its end being far enough.
    raw: catalog.journal,
    found: {
      identity: noIdentity,
      deployment: { group: 'bench', partitions: 1, topicIds: {}, isAdopted: false },
    },
    journal: catalog.journal,
    partition: 0,
    windowMs: catalog.windowMs,
    nowMs: Date.now(),
    committed: undefined,
    onProgress: async (progress) => {
      const at = Math.floor((4 * progress.ids) / ids);
      if (at > shownAt)
        say(`  ${progress.ids} ids after ${Math.round(performance.now() - startedAt)} ms`);
      shownAt = at;
    },
  });
  const ms = performance.now() - startedAt;
  await reader.close();
  if (state.size !== ids) throw new Error(`restored ${state.size} ids: expected ${ids}`);
  return { ms, bytesPerId: state.bytes / state.size };
}

async function restorePeer({ env, catalog }: Setting, ids: number) {
  const before = heapUsed();
  const kafka = new Kafka({
    brokers: (env['KAFKA_BROKERS'] ?? '').split(','),
    logLevel: logLevel.NOTHING,
  });
  const seen = new Map<string, number>();
  const startedAt = performance.now();
  const consumer = kafka.consumer({
    groupId: `peer-${Date.now()}`,
    maxWaitTimeInMs: 50,
    maxBytesPerPartition: 8 * 1024 * 1024,
  });
  await consumer.connect();
  await consumer.subscribe({ topics: [catalog.journal], fromBeginning: true });
  const { promise, resolve } = Promise.withResolvers<void>();
  await consumer.run({
    autoCommit: false,
    eachBatch: async ({ batch }) => {
      for (const { value } of batch.messages) {
        const { entries } = schemas.JournalRecord.type.fromBuffer(
          value?.subarray(5) ?? Buffer.alloc(0),
        ) as JournalRecord;
        for (const { digest, offset } of entries) seen.set(digest.toString('latin1'), offset);
      }
      if (seen.size === ids) resolve();
    },
  });
  await promise;
  const ms = performance.now() - startedAt;
  await consumer.disconnect();
  return { ms, bytesPerId: (heapUsed() - before) / seen.size };
}

/** Without garbage. */
function heapUsed(): number {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
  return process.memoryUsage().heapUsed;
}
