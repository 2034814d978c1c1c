/**
 * Throughput over a backlog beside the peers, in turns: A B C A B C, each with all the cores. Then
 * each is killed with the backlog's ids in its window, and started again: how long until its first
 * output. Ratios and medians; the machine is shared.
 */

import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { LogReader } from '../src/kafka/log-reader.ts';
import { applyTopics } from '../test/support/prepared.ts';
import { type Contestant, startContestant } from './contestants.ts';
import { distinctIn, fill } from './fill.ts';
import { cpuOf, memoryOf, stopProcess } from './process.ts';
import { inTurns, type Measure, type Race, type Values } from './race.ts';
import { committed, prepare, type Setting, say } from './setting.ts';

export const partitions = 6;
/** Ten a partition, so that each has something to do after the restart. */
const probes = 60;

const contestants = ['voucherbus', 'Kafka Streams', 'script'] as const;

const measures = {
  perSecond: {
    label: 'events per second',
    digits: 0,
    better: 'more',
    aim: { floor: 0.6, goal: 1 },
  },
  cpuMicros: {
    label: 'CPU µs per event',
    digits: 1,
    better: 'less',
    aim: { floor: 1.5, goal: 1 },
  },
  perSecondWithStart: { label: 'events per second, with the start', digits: 0, better: 'more' },
  cpuMicrosWithStart: {
    label: 'CPU µs per event, with the start',
    digits: 1,
    better: 'less',
    aim: { floor: 1.5, goal: 0.7 },
  },
  memoryMb: {
    label: 'largest resident memory, MB',
    digits: 0,
    better: 'less',
    aim: { floor: 0.4, goal: 0.25 },
  },
  restartMs: {
    label: 'kill -9, then start to first output, ms',
    digits: 0,
    better: 'less',
    aim: { floor: 0.5, goal: 0.3 },
  },
} as const satisfies Record<string, Measure>;

type Run = Values<keyof typeof measures>;

export async function benchBacklog(count: number, runs: number): Promise<Race> {
  const setting = await prepare(`bench-${Date.now().toString(36)}`, partitions);
  const reader = new LogReader(setting.client);
  say(`filling raw with ${count} records of 2.5 KB`);
  await fill(setting, count);
  let onRaw = count;
  const results = await inTurns(contestants, runs, async (name, run) => {
    const group = `${setting.catalog.raw}.${name.replace(' ', '-')}.${run}`;
    const addMore = async () => {
      await fill(setting, probes, onRaw);
      onRaw += probes;
    };
    // The script forgets its ids when it is killed: it would forward repeats.
    const again = name === 'script' ? undefined : addMore;
    const result = await measure(name, group, onRaw, setting, reader, again);
    const restart = again ? `, restart ${Math.round(result.restartMs)} ms` : '';
    say(
      `run ${run}, ${name}: ${Math.round(result.perSecond)}/s, ${result.cpuMicros.toFixed(1)} µs CPU an event, ${Math.round(result.memoryMb)} MB${restart}`,
    );
    return result;
  });
  await reader.close();
  await setting.admin.close();
  return {
    title: `Backlog of ${count} raw events of 2.5 KB, ${partitions} partitions, each with both cores, broker on the same two; medians (and all) of ${runs} runs in turns. Every run's outputs were checked: each publication once`,
    contestants,
    measures,
    runs: results,
  };
}

/**
 * @param addMore writes the events that it meets after its restart; without, it is not killed and
 * restarted
 */
export async function measure(
  name: Contestant,
  group: string,
  count: number,
  setting: Setting,
  reader: LogReader,
  addMore?: () => Promise<void>,
): Promise<Run> {
  // A group of its own needs outputs of its own, and a journal: that of the run before would
  // contradict its offsets.
  const { admin, catalog } = setting;
  await admin.remove([catalog.journal, ...Object.values(catalog.publications)]);
  await applyTopics(catalog, admin);
  const directory = await mkdtemp(join(tmpdir(), 'voucherbus-bench-'));
  const startedAt = performance.now();
  let child = await startContestant(name, group, directory, setting);
  let first: { atMs: number; done: number; cpu: number } | undefined;
  let memoryMb = 0;
  let restartMs = Number.NaN;
  try {
    for (;;) {
      await sleep(50);
      if (child.exitCode !== null) throw new Error(`${name} ended with ${child.exitCode}`);
      const done = await committed(group, setting);
      memoryMb = Math.max(memoryMb, memoryOf(child));
      if (done === 0) continue;
      first ??= { atMs: performance.now(), done, cpu: cpuOf(child) };
      if (done < count) continue;
      break;
    }
    const endedAt = performance.now();
    const cpu = cpuOf(child);
    if (addMore) {
      child.kill('SIGKILL');
      await once(child, 'exit');
      await addMore();
      // The group takes the dead for living until their session ends; that silence is measured by
      // itself (`benchCrash`).
      await untilEmpty(group, setting);
      const restartedAt = performance.now();
      child = await startContestant(name, group, directory, setting);
      while ((await committed(group, setting)) === count) await sleep(10);
      restartMs = performance.now() - restartedAt;
      while ((await committed(group, setting)) < count + probes) await sleep(50);
    }
    await check(name, count + (addMore ? probes : 0), setting, reader);
    return {
      perSecond: ((count - first.done) * 1_000) / (endedAt - first.atMs),
      cpuMicros: ((cpu - first.cpu) * 1e6) / (count - first.done),
      perSecondWithStart: (count * 1_000) / (endedAt - startedAt),
      cpuMicrosWithStart: (cpu * 1e6) / count,
      memoryMb,
      restartMs,
    };
  } finally {
    await stopProcess(child);
    await rm(directory, { recursive: true, force: true });
  }
}

async function untilEmpty(group: string, { client }: Setting): Promise<void> {
  const admin = client.admin();
  await admin.connect();
  for (;;) {
    const { groups } = await admin.describeGroups([group]);
    if ((groups[0]?.members.length ?? 0) === 0) break;
    await sleep(100);
  }
  await admin.disconnect();
}

/** A fast wrong result is no result: each publication once, and none missing. */
async function check(
  name: Contestant,
  count: number,
  { catalog }: Setting,
  reader: LogReader,
): Promise<void> {
  const keys = new Set<string>();
  let records = 0;
  for (const topic of Object.values(catalog.publications)) {
    for (let partition = 0; partition < partitions; partition += 1) {
      const range = await reader.rangeOf(topic, partition, 'start', 'end');
      for await (const { key } of reader.records(range)) {
        records += 1;
        keys.add(String(key));
      }
    }
  }
  const wanted = distinctIn(count);
  if (keys.size !== wanted || records !== wanted) {
    throw new Error(
      `${name}: ${records} events of ${keys.size} publications came out, expected ${wanted} of each`,
    );
  }
}
