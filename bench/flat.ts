/**
 * `make flat`: whether an event costs more when there are more ids in the window, more partitions,
 * or more routes. Each point of a curve has topics of its own; RUNS times, in turns, EVENTS are
 * written to raw and one processor with all its workers takes them. Where nothing else is said
 * there are 1 M ids, 6 partitions and the built-in routes. CURVES names those to measure; the
 * others stay as they were.
 */

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Writer } from '../src/kafka/writer.ts';
import { curvesOf } from './chart.ts';
import { startContestant } from './contestants.ts';
import { fill, types } from './fill.ts';
import { cpuOf, memoryOf, stopProcess } from './process.ts';
import { type Curve, curveTableOf, type Sample } from './race.ts';
import { fillJournal } from './restore.ts';
import { prepare, type Setting, say, sumOf } from './setting.ts';

const { RUNS = '2', EVENTS = '200000', CURVES = 'ids,partitions,routes' } = process.env;
const runs = Number(RUNS);
const events = Number(EVENTS);
const idsPerRecord = 500;

type Point = { readonly ids: number; readonly partitions: number; readonly routes: number };
const usual: Point = { ids: 1e6, partitions: 6, routes: 0 };
const curves = [
  { of: 'ids in the window, millions', scale: 1e-6, key: 'ids', at: [1e6, 5e6, 20e6] },
  { of: 'partitions', scale: 1, key: 'partitions', at: [6, 12, 24, 48] },
  { of: 'routes', scale: 1, key: 'routes', at: [5, 25, 100] },
] as const;

type Lane = { readonly setting: Setting; readonly samples: Sample[]; onRaw: number };

const work = await mkdtemp(join(tmpdir(), 'voucherbus-flat-'));

/** The last four take the events; all before are asked in vain. */
async function routesFile(count: number): Promise<string> {
  const vain = Array.from({ length: count - types.length }, (_, i) => ({
    name: `campaign-${i}`,
    when: { 'campaign.name': `Campaign ${i}` },
    to: `campaign-${i}`,
  }));
  const taken = types.map((type) => {
    const name = type.toLowerCase().replace('_', '-');
    return { name, when: { 'campaign.type': type }, to: name };
  });
  const path = join(work, `routes-${count}.yaml`);
  await writeFile(
    path,
    JSON.stringify({ match: 'first', routes: [...vain, ...taken], default: 'other' }),
  );
  return path;
}

/** Its journal holds so many ids already, and raw the records that they came from. */
async function stageOf({ ids, partitions, routes }: Point): Promise<Lane> {
  const name = `flat-${ids / 1e6}-${partitions}-${routes}`;
  say(`${name}: ${ids / 1e6} M ids, ${partitions} partitions, ${routes || 'the built-in'} routes`);
  const extra: Record<string, string> =
    routes === 0 ? {} : { ROUTES_FILE: await routesFile(routes) };
  const setting = await prepare(`${name}-${Date.now().toString(36)}`, partitions, extra);
  const journalRecords = Math.ceil(ids / partitions / idsPerRecord);
  const writer = await Writer.open(setting.client, setting.catalog.raw);
  for (let partition = 0; partition < partitions; partition += 1) {
    const past = { key: 'past', value: Buffer.alloc(1), partition };
    await writer.write(
      Array.from({ length: journalRecords }, () => past),
      30_000,
    );
    await fillJournal(
      setting,
      journalRecords * idsPerRecord,
      idsPerRecord,
      partition,
      `${partition}`,
    );
  }
  await writer.close();
  return { setting, samples: [], onRaw: journalRecords * partitions };
}

async function sample(stage: Lane): Promise<Sample> {
  const { setting } = stage;
  const { admin, catalog } = setting;
  const group = `${catalog.raw}.flat`;
  const before = await admin.committedOffsets(group, catalog.raw);
  await fill(setting, events, stage.onRaw);
  const until = stage.onRaw + events;
  const startedAt = performance.now();
  const child = await startContestant('voucherbus', group, work, setting);
  try {
    let begun: { readonly done: number; readonly cpu: number } | undefined;
    let startMs = 0;
    let memoryMb = 0;
    for (;;) {
      await sleep(50);
      if (child.exitCode !== null) throw new Error(`the processor ended with ${child.exitCode}`);
      memoryMb = Math.max(memoryMb, memoryOf(child));
      const offsets = await admin.committedOffsets(group, catalog.raw);
      const done = sumOf(offsets);
      // Before, some of them still restore their ids, and Node has not compiled what it runs.
      const haveBegun = [...offsets].filter(([partition, to]) => to > (before.get(partition) ?? 0));
      const areAllAtWork = haveBegun.length === catalog.topics[0]?.partitions;
      if (areAllAtWork) startMs ||= performance.now() - startedAt;
      if (areAllAtWork && until - done < 0.75 * events) begun ??= { done, cpu: cpuOf(child) };
      if (done < until) continue;
      if (begun === undefined || until - begun.done < events / 3) {
        throw new Error(`too few of ${events} events were left to measure: set EVENTS higher`);
      }
      stage.onRaw = until;
      const cpuMicros = ((cpuOf(child) - begun.cpu) * 1e6) / (until - begun.done);
      return { cpuMicros, startMs, memoryMb };
    }
  } finally {
    await stopProcess(child);
  }
}

async function curveOf({ of, scale, key, at }: (typeof curves)[number]): Promise<Curve> {
  const lanes: Lane[] = [];
  for (const value of at) lanes.push(await stageOf({ ...usual, [key]: value }));
  for (let run = 1; run <= runs; run += 1) {
    for (const [i, stage] of lanes.entries()) {
      const result = await sample(stage);
      stage.samples.push(result);
      say(
        `run ${run} of ${runs}, ${at[i]} ${key}: ${result.cpuMicros.toFixed(1)} µs CPU an event, ${(result.startMs / 1_000).toFixed(1)} s to start, ${Math.round(result.memoryMb)} MB`,
      );
    }
  }
  for (const { setting } of lanes) {
    // Several GB each.
    await setting.admin.remove(setting.catalog.topics.map(({ name }) => name));
    await setting.admin.close();
  }
  return {
    of,
    date: new Date().toISOString().slice(0, 10),
    events,
    points: lanes.map(({ samples }, i) => ({ at: (at[i] as number) * scale, samples })),
  };
}

const folder = new URL('results/', import.meta.url);
mkdirSync(folder, { recursive: true });
const file = new URL('flat.json', folder);
const known = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Curve[]) : [];
const measured = new Map(known.map((one) => [one.of, one]));
const wanted = CURVES.split(',');
for (const curve of curves.filter(({ key }) => wanted.includes(key))) {
  const one = await curveOf(curve);
  measured.set(one.of, one);
  process.stdout.write(`${curveTableOf(one).join('\n')}\n\n`);
  // Each as it comes: a later one that fails leaves the earlier ones.
  writeFileSync(file, `${JSON.stringify([...measured.values()], null, 1)}\n`);
  const lines = [...measured.values()].map(({ of, points }) => ({
    of,
    points: points.map(({ at, samples }) => ({
      at,
      values: samples.map(({ cpuMicros }) => cpuMicros),
    })),
  }));
  writeFileSync(new URL('flat.svg', folder), curvesOf(lines, 'CPU µs per event'));
}
await rm(work, { recursive: true });
process.exit(0);
