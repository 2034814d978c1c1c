/** Throughput of one processor over a backlog, beside the peer script, in turns: A B A B. Ratios and medians; the machine is shared. */

import { type ChildProcess, spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { applyTopics } from '../test/support/prepared.ts';
import { fill } from './fill.ts';
import { cpuOf, nodeOptions, peakRssOf, stopProcess } from './process.ts';
import { median, prepare, type Setting, say } from './setting.ts';

const partitions = 6;
const runs = 3;
type Run = {
  /** From the first to the last committed offset seen. */
  readonly perSecond: number;
  readonly cpuMicros: number;
  readonly firstCommitMs: number;
  readonly rssMb: number;
};

export async function benchBacklog(count: number): Promise<readonly string[]> {
  const setting = await prepare(`bench-${Date.now().toString(36)}`, partitions);
  say(`filling raw with ${count} records of 2.5 KB`);
  await fill(setting, count);
  const results: Record<'voucherbus' | 'script', Run[]> = { voucherbus: [], script: [] };
  for (let run = 1; run <= runs; run += 1) {
    for (const name of ['voucherbus', 'script'] as const) {
      const group = `${setting.catalog.raw}.${name}.${run}`;
      // The journal belongs to one group: each run of ours has its own topics to write, and reads the same raw.
      const result = await measure(name, group, count, setting);
      results[name].push(result);
      say(
        `run ${run}, ${name}: ${Math.round(result.perSecond)}/s, ${result.cpuMicros.toFixed(1)} µs CPU an event`,
      );
    }
  }
  await setting.admin.close();
  return report(count, results);
}

async function measure(
  name: 'voucherbus' | 'script',
  group: string,
  count: number,
  setting: Setting,
): Promise<Run> {
  const startedAt = performance.now();
  const child = await (name === 'voucherbus'
    ? startOurs(group, setting)
    : startScript(group, setting));
  let first: { atMs: number; done: number; cpu: number } | undefined;
  let rssMb = 0;
  try {
    for (;;) {
      await sleep(50);
      if (child.exitCode !== null) throw new Error(`${name} ended with ${child.exitCode}`);
      const done = await committed(group, setting);
      rssMb = peakRssOf(child);
      if (done === 0) continue;
      first ??= { atMs: performance.now(), done, cpu: cpuOf(child) };
      if (done < count) continue;
      const seconds = (performance.now() - first.atMs) / 1_000;
      return {
        perSecond: (count - first.done) / seconds,
        cpuMicros: ((cpuOf(child) - first.cpu) * 1e6) / (count - first.done),
        firstCommitMs: first.atMs - startedAt,
        rssMb,
      };
    }
  } finally {
    await stopProcess(child);
  }
}

async function startOurs(group: string, { env, admin, catalog }: Setting): Promise<ChildProcess> {
  // A group of its own needs a journal of its own: the one of the run before would contradict its offsets.
  await admin.remove([catalog.journal]);
  await applyTopics(catalog, admin);
  return spawn(
    process.execPath,
    [...nodeOptions, fileURLToPath(new URL('../src/main.ts', import.meta.url)), 'processor'],
    {
      env: { ...env, CONSUMER_GROUP: group, ADMIN_PORT: '0', LOG_LEVEL: 'warn' },
      stdio: ['ignore', 'inherit', 'inherit'],
    },
  );
}

async function startScript(
  group: string,
  { env, catalog, schemaId }: Setting,
): Promise<ChildProcess> {
  return spawn(
    process.execPath,
    [...nodeOptions, fileURLToPath(new URL('peer-script.ts', import.meta.url))],
    {
      env: {
        ...env,
        BROKERS: env['KAFKA_BROKERS'],
        GROUP: group,
        RAW: catalog.raw,
        PREFIX: env['TOPIC_PREFIX'],
        OUT_ID: String(schemaId(catalog.publications.other)),
        NODE_NO_WARNINGS: '1',
      },
      stdio: ['ignore', 'inherit', 'inherit'],
    },
  );
}

async function committed(group: string, { admin, catalog }: Setting): Promise<number> {
  const offsets = await admin.committedOffsets(group, catalog.raw);
  return [...offsets.values()].reduce((sum, offset) => sum + offset, 0);
}

function report(
  count: number,
  results: Record<'voucherbus' | 'script', readonly Run[]>,
): readonly string[] {
  const of = (name: 'voucherbus' | 'script', key: keyof Run) =>
    median(results[name].map((run) => run[key]));
  const row = (label: string, key: keyof Run, digits: number) => {
    const [ours, theirs] = [of('voucherbus', key), of('script', key)];
    return `| ${label} | ${ours.toFixed(digits)} | ${theirs.toFixed(digits)} | ${(ours / theirs).toFixed(2)} |`;
  };
  return [
    `Backlog of ${count} raw events of 2.5 KB, ${partitions} partitions, one process, broker on the same machine; medians of ${runs} runs in turns`,
    '',
    '| | voucherbus | script on stock KafkaJS | ratio |',
    '|---|--:|--:|--:|',
    row('events a second', 'perSecond', 0),
    row('CPU µs an event', 'cpuMicros', 1),
    row('start to first commit, ms', 'firstCommitMs', 0),
    row('largest RSS, MB', 'rssMb', 0),
  ];
}
