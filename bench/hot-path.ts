/**
 * `make hot-path`: what an event costs in the processor, step by step, beside the script on stock
 * KafkaJS. The CPU of one process over EVENTS, from /proc, is divided as the samples of V8's
 * profiler: each sample counts for the nearest function on its stack that belongs to a step.
 */

import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startContestant } from './contestants.ts';
import { fill } from './fill.ts';
import { cpuOf, stopProcess } from './process.ts';
import { committed, prepare, type Setting, say } from './setting.ts';

const events = Number(process.env['EVENTS'] ?? 300_000);
const contestants = ['voucherbus', 'script'] as const;

/**
 * Steps by function and file; the first match counts. avsc and kafka/protocol/bytes.ts work in both
 * directions: their caller decides.
 */
const steps = [
  ['garbage collection', /^\(garbage collector\)/],
  [
    'socket writes',
    /^(writev?|writeBuffer|writeUtf8String|writeLatin1String|writeGeneric) (node:|$)/,
  ],
  ['CRC-32C', /crc32c/i],
  ['compression', /zlib|protocol\/message\/compression/i],
  ['digest of the id', /src\/digest\.ts|^(hash|createHash|digest|update) node:(internal\/)?crypto/],
  ['JSON parse', /^parse .*(webhook|peer-script)\.ts/],
  ['Avro encode', /avro\/encoder\.ts|buffers\/arena\.ts|^encodeOutput /],
  ['Avro decode', /avro\/decoder\.ts|^decodeRaw /],
  [
    'record-batch encode, requests',
    /protocol\/(record-batch-writer|murmur2)\.ts|kafka\/transactional-producer\.ts|kafkajs-patches\/(send-messages|request)\.ts|kafkajs\/src\/(protocol\/.*(encoder|request)|producer)/i,
  ],
  [
    'fetch decode, responses',
    /protocol\/record-batch-reader\.ts|kafkajs-patches\/(decode-messages|response-assembler)\.ts|kafkajs\/src\/(protocol\/.*(decoder|response)|consumer)/i,
  ],
  [
    'decide: shapes, repeats, routes, enrichment',
    /src\/(processor|journal|routing|enrichment|voucherify|dead-letters)\/|peer-script\.ts/,
  ],
] as const;
const rest = 'the rest: KafkaJS and Node';

type Profile = {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string };
    readonly children?: readonly number[];
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
};

/** Microseconds of samples a step, idle ones left out. */
function timesOf({ nodes, samples, timeDeltas }: Profile, times: Map<string, number>): void {
  const parents = new Map(
    nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id])),
  );
  const names = new Map(
    nodes.map(({ id, callFrame }) => [id, `${callFrame.functionName} ${callFrame.url}`]),
  );
  const stepOfNode = new Map<number, string | undefined>();
  for (const { id } of nodes) {
    let step: string | undefined;
    for (
      let at: number | undefined = id;
      at !== undefined && step === undefined;
      at = parents.get(at)
    ) {
      const name = names.get(at) ?? '';
      step = name.startsWith('(idle)')
        ? 'idle'
        : steps.find(([, pattern]) => pattern.test(name))?.[0];
    }
    stepOfNode.set(id, step ?? rest);
  }
  samples.forEach((id, i) => {
    const step = stepOfNode.get(id) ?? rest;
    if (step !== 'idle') times.set(step, (times.get(step) ?? 0) + (timeDeltas[i] as number));
  });
}

async function profiled(name: (typeof contestants)[number], setting: Setting) {
  const group = `${setting.catalog.raw}.${name}`;
  const directory = await mkdtemp(join(tmpdir(), 'voucherbus-hot-path-'));
  const child = await startContestant(name, group, directory, setting, {
    PROCESSOR_WORKERS: '1',
    NODE_OPTIONS: `--cpu-prof --cpu-prof-interval=500 --cpu-prof-dir=${directory}`,
  });
  while ((await committed(group, setting)) < events) await sleep(200);
  const micros = (cpuOf(child) * 1e6) / events;
  await stopProcess(child);
  const times = new Map<string, number>();
  for (const file of await readdir(directory)) {
    if (!file.endsWith('.cpuprofile')) continue;
    timesOf(JSON.parse(await readFile(join(directory, file), 'utf8')) as Profile, times);
  }
  await rm(directory, { recursive: true });
  const whole = [...times.values()].reduce((sum, one) => sum + one, 0);
  say(`${name}: ${micros.toFixed(1)} µs an event`);
  return { micros, of: (step: string) => ((times.get(step) ?? 0) / whole) * micros };
}

const setting = await prepare(`hot-path-${Date.now().toString(36)}`, 6);
await fill(setting, events);
const results: Awaited<ReturnType<typeof profiled>>[] = [];
for (const name of contestants) results.push(await profiled(name, setting));
const lines = [...steps.map(([step]) => step), rest].map(
  (step) => `| ${[step, ...results.map(({ of }) => of(step).toFixed(1))].join(' | ')} |`,
);
process.stdout.write(
  [
    `| µs of CPU an event, the start included | ${contestants.join(' | ')} |`,
    '|---|--:|--:|',
    ...lines,
    `| in all | ${results.map(({ micros }) => micros.toFixed(1)).join(' | ')} |`,
    '',
  ].join('\n'),
);
process.exit(0);
