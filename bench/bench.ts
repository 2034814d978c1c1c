/**
 * `make bench`: measures the figures of docs/performance.md. Prints them as Markdown, and writes
 * them to bench/results as JSON and as a picture. BENCH selects benchmarks (backlog, bridge,
 * fast-path, bridge-tracing, tracing, latency, crash, restore, trace, console, lookups); RUNS,
 * EVENTS and IDS set how often and how many.
 */

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { arch, availableParallelism, cpus } from 'node:os';
import { benchBacklog } from './backlog.ts';
import { benchBridge } from './bridge.ts';
import { chartOf } from './chart.ts';
import { benchConsole } from './console.ts';
import { benchCrash, benchLatency } from './latency.ts';
import { benchLookups } from './lookups.ts';
import { type Race, tableOf } from './race.ts';
import { benchRestore } from './restore.ts';
import { say } from './setting.ts';
import { benchTrace } from './trace.ts';
import { benchTracing } from './tracing.ts';

const { BENCH, RUNS = '3', EVENTS = '1000000', IDS = '1000000' } = process.env;
const runs = Number(RUNS);

const benches: Readonly<Record<string, () => Promise<Race>>> = {
  backlog: () => benchBacklog(Number(EVENTS), runs),
  bridge: () => benchBridge(runs, 'Vert.x'),
  'fast-path': () => benchBridge(runs, 'HTTP_FAST_PATH=off'),
  'bridge-tracing': () => benchBridge(runs, '1 in 10 traced'),
  tracing: () => benchTracing(Number(EVENTS), runs),
  latency: () => benchLatency(runs),
  crash: () => benchCrash(runs),
  restore: () => benchRestore(Number(IDS), runs),
  trace: () => benchTrace(Number(IDS)),
  console: () => benchConsole(Number(EVENTS)),
  lookups: benchLookups,
};

const wanted = BENCH?.split(',') ?? Object.keys(benches);
const unknown = wanted.filter((name) => !Object.hasOwn(benches, name));
if (unknown.length > 0) {
  process.stderr.write(
    `BENCH is ${BENCH}: there is no ${unknown.join(', ')}, expected some of ${Object.keys(benches).join(', ')}\n`,
  );
  process.exit(2);
}

const folder = new URL('results/', import.meta.url);
mkdirSync(folder, { recursive: true });
const date = new Date().toISOString().slice(0, 10);
const machine = `${availableParallelism()} cores (${cpus()[0]?.model}, ${arch()}), shared with broker and load; Node ${process.version}`;
for (const [i, name] of wanted.entries()) {
  say(`${name} (${i + 1} of ${wanted.length})`);
  const race = await benches[name]?.();
  if (race === undefined) continue;
  // Each as it comes: a later one that fails leaves the earlier ones.
  writeFileSync(
    new URL(`${name}.json`, folder),
    `${JSON.stringify({ date, machine, ...race }, null, 1)}\n`,
  );
  process.stdout.write(`${tableOf(race).join('\n')}\n\n`);
}
// Those with aims, of this run or of an earlier one.
const charted = ['backlog', 'latency', 'crash', 'bridge']
  .map((name) => new URL(`${name}.json`, folder))
  .filter((file) => existsSync(file))
  .map((file) => JSON.parse(readFileSync(file, 'utf8')) as Race & { readonly date: string });
const dates = [...new Set(charted.map((race) => race.date))].sort().join(', ');
writeFileSync(new URL('ratios.svg', folder), chartOf(charted, `${dates}. ${machine}`));
say('done: bench/results');
process.exit(0);
