/**
 * Verified webhooks per second with acks=all at 64 connections, in turns: beside a bridge on Vert.x
 * and Kafka's own producer, or beside ours with other settings.
 */

import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { LogReader } from '../src/kafka/log-reader.ts';
import { freePort } from '../test/support/ports.ts';
import type { LoadResult } from './http-load.ts';
import { startPeer } from './peers.ts';
import { cpuOf, memoryOf, startProcess, stopProcess } from './process.ts';
import { inTurns, type Measure, type Race, type Values } from './race.ts';
import { prepare, say } from './setting.ts';
import { startCollector } from './tracing.ts';

const partitions = 6;
const connections = 64;
const secret = 's3cr3t';
/** A JVM is fast once it has compiled what it runs. */
const warmUpSeconds = 8;
const measuredSeconds = 10;

export type Peer = 'Vert.x' | 'HTTP_FAST_PATH=off' | '1 in 10 traced';
type Name = 'voucherbus' | Peer;
const measures = {
  perSecond: {
    label: 'webhooks per second',
    digits: 0,
    better: 'more',
    aim: { floor: 0.8, goal: 1 },
  },
  p50Ms: { label: 'p50, ms', digits: 2, better: 'less' },
  p99Ms: { label: 'p99, ms', digits: 2, better: 'less', aim: { floor: 1, goal: 0.7 } },
  cpuMicros: {
    label: 'CPU µs per request',
    digits: 1,
    better: 'less',
    aim: { floor: 2, goal: 1.2 },
  },
  memoryMb: { label: 'largest resident memory, MB', digits: 0, better: 'less' },
} as const satisfies Record<string, Measure>;

/** The aims are ratios to Vert.x. */
const withoutAims = Object.fromEntries(
  Object.entries<Measure>(measures).map(([key, { label, digits, better }]) => [
    key,
    { label, digits, better },
  ]),
) as Record<keyof typeof measures, Measure>;

type Run = Values<keyof typeof measures>;

const file = (path: string) => fileURLToPath(new URL(path, import.meta.url));

export async function benchBridge(runs: number, peer: Peer): Promise<Race> {
  const contestants: readonly Name[] = ['voucherbus', peer];
  const setting = await prepare(`bench-${Date.now().toString(36)}`, partitions);
  const { catalog, admin, client } = setting;
  const topics: Topics = {
    voucherbus: catalog.raw,
    'HTTP_FAST_PATH=off': catalog.raw,
    '1 in 10 traced': catalog.raw,
    'Vert.x': `${catalog.raw}.peer`,
  };
  await admin.create({ topic: topics['Vert.x'], partitions, replicationFactor: 1, config: {} });
  const reader = new LogReader(client);
  const recordsOn = async (topic: string) => {
    let records = 0;
    for (let partition = 0; partition < partitions; partition += 1) {
      records += await reader.offsetOf(topic, partition, 'high-watermark');
    }
    return records;
  };
  using collector = await startCollector();
  const variants: Variants = {
    'HTTP_FAST_PATH=off': { HTTP_FAST_PATH: 'off' },
    '1 in 10 traced': collector.env,
  };
  const results = await inTurns(contestants, runs, async (name, run) => {
    const result = await measure(name, { env: setting.env, topics, variants, recordsOn });
    say(
      `run ${run}, ${name}: ${Math.round(result.perSecond)}/s, p99 ${result.p99Ms.toFixed(1)} ms, ${result.cpuMicros.toFixed(1)} µs CPU a request`,
    );
    return result;
  });
  await reader.close();
  await admin.close();
  return {
    title: `Signed webhooks of 2.5 KB over ${connections} connections, acks=all, ${partitions} partitions, each with both cores, broker and load on the same two; medians (and all) of ${runs} runs in turns. Every acknowledged webhook was stored`,
    contestants,
    measures: peer === 'Vert.x' ? measures : withoutAims,
    runs: results,
  };
}

type Topics = Readonly<Record<Name, string>>;
/** Settings of ours, by contestant. */
type Variants = Readonly<Partial<Record<Name, NodeJS.ProcessEnv>>>;
type Track = {
  readonly env: NodeJS.ProcessEnv;
  readonly topics: Topics;
  readonly variants: Variants;
  readonly recordsOn: (topic: string) => Promise<number>;
};

async function measure(name: Name, track: Track): Promise<Run> {
  const { topics, recordsOn } = track;
  const port = await freePort();
  const child = name === 'Vert.x' ? await startVertx(port, track) : startOurs(name, port, track);
  try {
    await says(child, /the bridge is ready|listening/);
    const url = `http://127.0.0.1:${port}/webhooks/voucherify`;
    await load(url, warmUpSeconds);
    const before = { cpu: cpuOf(child), records: await recordsOn(topics[name]) };
    const result = await load(url, measuredSeconds);
    const cpu = cpuOf(child) - before.cpu;
    const stored = (await recordsOn(topics[name])) - before.records;
    // A fast wrong result is no result.
    if (result.others > 0 || stored < result.ok) {
      throw new Error(
        `${name}: ${result.ok} acknowledged, ${stored} stored, ${result.others} refused`,
      );
    }
    return { ...result, cpuMicros: (cpu * 1e6) / result.ok, memoryMb: memoryOf(child) };
  } finally {
    await stopProcess(child);
  }
}

function startOurs(name: Name, port: number, { env, variants }: Track): ChildProcess {
  return startProcess(process.execPath, [file('../src/main.ts'), 'bridge'], {
    ...env,
    WEBHOOK_SECRETS: `bench:${secret}`,
    BRIDGE_HOST: '127.0.0.1',
    BRIDGE_PORT: String(port),
    ADMIN_PORT: '0',
    HTTP_FAST_PATH: 'on',
    ...variants[name],
  });
}

function startVertx(port: number, { env, topics }: Track): Promise<ChildProcess> {
  return startPeer('HttpBridge', {
    ...env,
    PORT: String(port),
    SECRET: secret,
    BROKERS: env['KAFKA_BROKERS'],
    REGISTRY_URL: env['SCHEMA_REGISTRY_URL'],
    RAW_TOPIC: topics['Vert.x'],
  });
}

async function says(child: ChildProcess, what: RegExp): Promise<void> {
  for await (const line of createInterface({ input: child.stdout as NodeJS.ReadableStream })) {
    if (what.test(line)) break;
  }
  child.stdout?.resume();
  if (child.exitCode !== null)
    throw new Error(`it ended with ${child.exitCode} before it listened`);
}

async function load(url: string, seconds: number): Promise<LoadResult> {
  const args = [file('http-load.ts'), url, secret, String(connections), String(seconds)];
  const child = startProcess(process.execPath, args, process.env);
  let text = '';
  for await (const chunk of child.stdout as NodeJS.ReadableStream) text += String(chunk);
  return JSON.parse(text) as LoadResult;
}
