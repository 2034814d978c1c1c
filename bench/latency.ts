/**
 * The delay from raw to visible at 100 and 1,000 events per second, and the silence after a crash,
 * beside Kafka Streams.
 */

import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { startContestant } from './contestants.ts';
import type { ProbeResult } from './probe.ts';
import { startProcess, stopProcess } from './process.ts';
import { inTurns, type Measure, type Race } from './race.ts';
import { prepare, type Setting, say } from './setting.ts';

const partitions = 6;
const contestants = ['voucherbus', 'Kafka Streams'] as const;
type Name = (typeof contestants)[number];

/** Streams at its quickest: with its usual 100 ms between commits it is four times slower. */
const quick = { COMMIT_MS: '20', LINGER_MS: '0' };

const latencyMeasures = {
  p50At100: { label: 'visible at 100/s, p50, ms', digits: 1, better: 'less' },
  p99At100: {
    label: 'visible at 100/s, p99, ms',
    digits: 1,
    better: 'less',
    aim: { floor: 0.2, goal: 0.1 },
  },
  p50At1000: { label: 'visible at 1,000/s, p50, ms', digits: 1, better: 'less' },
  p99At1000: { label: 'visible at 1,000/s, p99, ms', digits: 1, better: 'less' },
} as const satisfies Record<string, Measure>;

export async function benchLatency(runs: number): Promise<Race> {
  // The broker is a JVM too: the first contestant would wait for its compiler.
  for (const name of contestants) {
    await using stage = await aStage();
    await stage.start(name, quick);
    await probe(stage, 1_000, 15, 1).done;
    say(`the broker is warmed up by ${name}`);
  }
  const results = await inTurns(contestants, runs, async (name, run) => {
    await using stage = await aStage();
    await stage.start(name, quick);
    // A JVM is quick once it has compiled what it runs.
    await probe(stage, 1_000, 10, 1).done;
    const slow = await probe(stage, 100, 20, 3).done;
    const fast = await probe(stage, 1_000, 20, 3).done;
    say(
      `run ${run}, ${name}: at 100/s p50 ${slow.p50Ms.toFixed(1)} p99 ${slow.p99Ms.toFixed(1)} ms, at 1,000/s p50 ${fast.p50Ms.toFixed(1)} p99 ${fast.p99Ms.toFixed(1)} ms`,
    );
    return {
      p50At100: slow.p50Ms,
      p99At100: slow.p99Ms,
      p50At1000: fast.p50Ms,
      p99At1000: fast.p99Ms,
    };
  });
  return {
    title: `From the write to raw to the sight of a reader of committed records, ${partitions} partitions, Streams with 20 ms between commits and no linger; medians (and all) of ${runs} runs in turns. Broker warmed up by both. Every event was seen, once`,
    contestants,
    measures: latencyMeasures,
    runs: results,
  };
}

const crashMeasures = {
  silenceMs: {
    label: 'silence after a crash, ms',
    digits: 0,
    better: 'less',
    aim: { floor: 0.5, goal: 0.5 },
  },
} as const satisfies Record<string, Measure>;

/**
 * The worst delay of any event while one of two instances is killed. Kafka allows no shorter
 * session.
 */
export async function benchCrash(runs: number): Promise<Race> {
  const settings = {
    voucherbus: { PROCESSOR_WORKERS: '1', SESSION_TIMEOUT: '6s' },
    'Kafka Streams': { THREADS: '1', SESSION_MS: '6000' },
  };
  const results = await inTurns(contestants, runs, async (name, run) => {
    await using stage = await aStage();
    await stage.start(name, settings[name]);
    const second = await stage.start(name, settings[name]);
    await probe(stage, 500, 10, 1).done;
    const running = probe(stage, 500, 45, 5);
    await running.started;
    await sleep(10_000);
    second.kill('SIGKILL');
    const { maxMs } = await running.done;
    say(`run ${run}, ${name}: silent for ${(maxMs / 1_000).toFixed(1)} s`);
    return { silenceMs: maxMs };
  });
  return {
    title: `One of two instances is killed (SIGKILL) at 500 events per second, session time-out 6 s for both: the worst delay of any event; medians (and all) of ${runs} runs in turns. Every event was seen, once`,
    contestants,
    measures: crashMeasures,
    runs: results,
  };
}

type Lane = AsyncDisposable & {
  readonly setting: Setting;
  readonly start: (name: Name, extra: NodeJS.ProcessEnv) => Promise<ChildProcess>;
};

/** Topics of its own, and whatever runs on them. */
async function aStage(): Promise<Lane> {
  const setting = await prepare(`latency-${Date.now().toString(36)}`, partitions);
  const children: ChildProcess[] = [];
  const directories: string[] = [];
  return {
    setting,
    start: async (name, extra) => {
      const directory = await mkdtemp(join(tmpdir(), 'voucherbus-bench-'));
      directories.push(directory);
      const child = await startContestant(name, setting.catalog.raw, directory, setting, extra);
      children.push(child);
      child.stdout?.resume();
      // Both have joined before anything is measured.
      await sleep(5_000);
      return child;
    },
    [Symbol.asyncDispose]: async () => {
      await Promise.all(children.map(stopProcess));
      for (const directory of directories) await rm(directory, { recursive: true, force: true });
      await setting.admin.close();
    },
  };
}

function probe({ setting }: Lane, rate: number, seconds: number, warmSeconds: number) {
  const file = fileURLToPath(new URL('probe.ts', import.meta.url));
  const prefix = String(setting.env['TOPIC_PREFIX']);
  const args = [file, prefix, String(rate), String(seconds), String(warmSeconds)];
  const child = startProcess(process.execPath, args, setting.env);
  const started = Promise.withResolvers<void>();
  const lines: string[] = [];
  createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
    lines.push(line);
    started.resolve();
  });
  const done = once(child, 'close').then(() => {
    const result = JSON.parse(lines.at(-1) ?? '{}') as ProbeResult;
    // A fast wrong result is no result.
    if (result.seen !== result.sent || result.repeats > 0) {
      throw new Error(`of ${result.sent} events ${result.seen} were seen, ${result.repeats} twice`);
    }
    return result;
  });
  return { started: started.promise, done };
}
