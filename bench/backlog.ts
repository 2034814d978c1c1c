/** Throughput over a backlog, beside the peers, in turns: A B C A B C. Ratios and medians; the machine is shared. */

import type { ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { createReader, type Reader, rangeOf } from '../src/kafka/reader.ts';
import { applyTopics } from '../test/support/prepared.ts';
import { distinctIn, fill } from './fill.ts';
import { startPeer } from './peers.ts';
import { cpuOf, memoryOf, startProcess, stopProcess } from './process.ts';
import { median, prepare, type Setting, say, spreadOf } from './setting.ts';

export const partitions = 6;
const runs = 3;

const contestants = ['voucherbus', 'Kafka Streams', 'script'] as const;
type Name = (typeof contestants)[number];

type Run = {
  /** From the first to the last committed offset seen. */
  readonly perSecond: number;
  readonly cpuMicros: number;
  /** From the start of the process to the last committed offset. */
  readonly perSecondWithStart: number;
  readonly cpuMicrosWithStart: number;
  readonly firstCommitMs: number;
  readonly rssMb: number;
};

export async function benchBacklog(count: number): Promise<readonly string[]> {
  const setting = await prepare(`bench-${Date.now().toString(36)}`, partitions);
  const reader = createReader(setting.client);
  say(`filling raw with ${count} records of 2.5 KB`);
  await fill(setting, count);
  const results: Record<Name, Run[]> = { voucherbus: [], 'Kafka Streams': [], script: [] };
  for (let run = 1; run <= runs; run += 1) {
    for (const name of contestants) {
      const result = await measure(
        name,
        `${setting.catalog.raw}.${name.replace(' ', '-')}.${run}`,
        count,
        setting,
        reader,
      );
      results[name].push(result);
      say(
        `run ${run}, ${name}: ${Math.round(result.perSecond)}/s, ${result.cpuMicros.toFixed(1)} µs CPU an event`,
      );
    }
  }
  await reader.close();
  await setting.admin.close();
  return report(count, results);
}

export async function measure(
  name: Name,
  group: string,
  count: number,
  setting: Setting,
  reader: Reader,
): Promise<Run> {
  // A group of its own needs outputs of its own, and a journal: that of the run before would contradict its offsets.
  const { admin, catalog } = setting;
  await admin.remove([catalog.journal, ...Object.values(catalog.publications)]);
  await applyTopics(catalog, admin);
  const directory = await mkdtemp(join(tmpdir(), 'voucherbus-bench-'));
  const startedAt = performance.now();
  const child = await start(name, group, directory, setting);
  let first: { atMs: number; done: number; cpu: number } | undefined;
  let rssMb = 0;
  try {
    for (;;) {
      await sleep(50);
      if (child.exitCode !== null) throw new Error(`${name} ended with ${child.exitCode}`);
      const done = await committed(group, setting);
      rssMb = Math.max(rssMb, memoryOf(child));
      if (done === 0) continue;
      first ??= { atMs: performance.now(), done, cpu: cpuOf(child) };
      if (done < count) continue;
      const endedAt = performance.now();
      const cpu = cpuOf(child);
      await check(name, count, setting, reader);
      return {
        perSecond: ((count - first.done) * 1_000) / (endedAt - first.atMs),
        cpuMicros: ((cpu - first.cpu) * 1e6) / (count - first.done),
        perSecondWithStart: (count * 1_000) / (endedAt - startedAt),
        cpuMicrosWithStart: (cpu * 1e6) / count,
        firstCommitMs: first.atMs - startedAt,
        rssMb,
      };
    }
  } finally {
    await stopProcess(child);
    await rm(directory, { recursive: true, force: true });
  }
}

async function start(
  name: Name,
  group: string,
  directory: string,
  { env, catalog, schemaId }: Setting,
): Promise<ChildProcess> {
  const node = (path: string, settings: NodeJS.ProcessEnv, ...args: string[]) => {
    const file = fileURLToPath(new URL(path, import.meta.url));
    return startProcess(process.execPath, [file, ...args], { ...env, ...settings });
  };
  switch (name) {
    case 'voucherbus':
      return node(
        '../src/main.ts',
        { CONSUMER_GROUP: group, ADMIN_PORT: '0', LOG_LEVEL: 'warn' },
        'processor',
      );
    case 'script':
      return node('peer-script.ts', {
        BROKERS: env['KAFKA_BROKERS'],
        GROUP: group,
        RAW: catalog.raw,
        PREFIX: env['TOPIC_PREFIX'],
        OUT_ID: String(schemaId(catalog.publications.other)),
        NODE_NO_WARNINGS: '1',
      });
    case 'Kafka Streams':
      return startPeer('StreamsPeer', {
        ...env,
        BROKERS: env['KAFKA_BROKERS'],
        REGISTRY_URL: env['SCHEMA_REGISTRY_URL'],
        GROUP: group,
        RAW_TOPIC: catalog.raw,
        OUT_PREFIX: `${env['TOPIC_PREFIX']}.publications.`,
        STATE_DIR: directory,
      });
  }
}

async function committed(group: string, { admin, catalog }: Setting): Promise<number> {
  const offsets = await admin.committedOffsets(group, catalog.raw);
  return [...offsets.values()].reduce((sum, offset) => sum + offset, 0);
}

/** A fast wrong answer is no answer: each publication once, and none missing. */
async function check(
  name: Name,
  count: number,
  { catalog }: Setting,
  reader: Reader,
): Promise<void> {
  const keys = new Set<string>();
  let records = 0;
  for (const topic of Object.values(catalog.publications)) {
    for (let partition = 0; partition < partitions; partition += 1) {
      const visit = ({ key }: { key: Buffer | null }) => {
        records += 1;
        keys.add(String(key));
      };
      await reader.read({ ...(await rangeOf(reader, topic, partition, 'start', 'end')), visit });
    }
  }
  const wanted = distinctIn(count);
  if (keys.size !== wanted || records !== wanted) {
    throw new Error(
      `${name}: ${records} events of ${keys.size} publications came out, expected ${wanted} of each`,
    );
  }
}

function report(count: number, results: Record<Name, readonly Run[]>): readonly string[] {
  const row = (label: string, key: keyof Run, digits: number) => {
    const of = (name: Name) => results[name].map((run) => run[key]);
    const cells = contestants.map((name) => spreadOf(of(name), digits));
    const ratio = (name: Name) => (median(of('voucherbus')) / median(of(name))).toFixed(2);
    return `| ${label} | ${cells.join(' | ')} | ${ratio('Kafka Streams')} | ${ratio('script')} |`;
  };
  return [
    `Backlog of ${count} raw events of 2.5 KB, ${partitions} partitions, broker on the same two cores; medians (and all) of ${runs} runs in turns. Every run's outputs were checked: each publication once`,
    '',
    '| | voucherbus, one process | Kafka Streams, two threads, RocksDB | script on stock KafkaJS | ratio to Streams | to the script |',
    '|---|--:|--:|--:|--:|--:|',
    row('events a second', 'perSecond', 0),
    row('CPU µs an event', 'cpuMicros', 1),
    row('events a second, with the start', 'perSecondWithStart', 0),
    row('CPU µs an event, with the start', 'cpuMicrosWithStart', 1),
    row('start to first commit, ms', 'firstCommitMs', 0),
    row('largest RSS, MB', 'rssMb', 0),
  ];
}
