/**
 * `make endurance`: whether anything grows over time. A bridge and a processor with all their
 * workers under an even load for MINUTES (60); each minute their memory, their handles and their
 * CPU an event. Then everything that was acknowledged is judged: exactly once.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { aDeployment } from '../test/support/deployment.ts';
import { startFlow } from '../test/support/flow.ts';
import { cpuOf, handlesOf, memoryOf } from './process.ts';
import { say } from './setting.ts';

const { MINUTES = '60', RATE = '200' } = process.env;
const minutes = Number(MINUTES);
const perSecond = Number(RATE);

type Sample = {
  readonly minute: number;
  readonly memoryMb: number;
  readonly handles: number;
  readonly cpuMicros: number;
};
type Name = 'bridge' | 'processor';

await using deployment = await aDeployment(12, {
  BRIDGE_WORKERS: 'auto',
  PROCESSOR_WORKERS: 'auto',
});
const services = {
  bridge: await deployment.start('bridge'),
  processor: await deployment.start('processor'),
};
const startedAt = performance.now();
const elapsed = () => (performance.now() - startedAt) / 60_000;
const flow = startFlow(deployment, services.bridge.url, {
  count: 1,
  isEnough: () => elapsed() >= minutes,
  concurrency: 50,
  perSecond,
  seed: 1,
});
const samples: Record<Name, Sample[]> = { bridge: [], processor: [] };
let before = { events: 0, cpu: { bridge: 0, processor: 0 } };
for (let minute = 0; minute <= minutes; minute += 1) {
  await sleep(Math.max(0, minute * 60_000 - (performance.now() - startedAt)));
  const now = { events: flow.begun(), cpu: { bridge: 0, processor: 0 } };
  for (const name of ['bridge', 'processor'] as const) {
    const { child } = services[name];
    now.cpu[name] = cpuOf(child);
    const cpuMicros = ((now.cpu[name] - before.cpu[name]) * 1e6) / (now.events - before.events);
    samples[name].push({ minute, memoryMb: memoryOf(child), handles: handlesOf(child), cpuMicros });
  }
  before = now;
  const line = (['bridge', 'processor'] as const).map((name) => {
    const { memoryMb = 0, handles, cpuMicros = 0 } = samples[name].at(-1) ?? {};
    return `${name} ${memoryMb.toFixed(0)} MB, ${handles} handles, ${cpuMicros.toFixed(0)} µs an event`;
  });
  say(`minute ${minute}, ${now.events} webhooks: ${line.join('; ')}`);
}
await flow.check();
process.stdout.write(
  `${JSON.stringify({ minutes, perSecond, webhooks: flow.begun(), samples }, null, 1)}\n`,
);
process.exit(0);
