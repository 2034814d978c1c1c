/**
 * `make bench-quick`: whether a change has made the processor slower. Not by any absolute figure,
 * for the machine is shared: by its ratio to a fixed reference loop (peer-script.ts) in the same
 * run, in turns, against the ratio that was kept when it was last measured. Under a minute.
 */

import { LogReader } from '../src/kafka/log-reader.ts';
import { measure, partitions } from './backlog.ts';
import { fill } from './fill.ts';
import { median, prepare, say } from './setting.ts';

/**
 * Medians of five runs of this file on 2 shared cores, 2026-11-26. Raise them when a change makes
 * it faster.
 */
const kept = { perSecond: 1, cpuMicros: 0.96 };
/** A change may cost so much before it must be explained. */
const allowance = 0.2;

const count = 60_000;
const runs = 2;

const setting = await prepare(`quick-${Date.now().toString(36)}`, partitions);
// One process beside one.
setting.env['PROCESSOR_WORKERS'] = '1';
const reader = new LogReader(setting.client);
await fill(setting, count);
const ratios: { perSecond: number; cpuMicros: number }[] = [];
for (let run = 1; run <= runs; run += 1) {
  const group = (name: string) => `${setting.catalog.raw}.${name}.${run}`;
  const reference = await measure('script', group('script'), count, setting, reader);
  const ours = await measure('voucherbus', group('voucherbus'), count, setting, reader);
  const ratio = {
    perSecond: ours.perSecond / reference.perSecond,
    cpuMicros: ours.cpuMicros / reference.cpuMicros,
  };
  ratios.push(ratio);
  say(
    `run ${run}: rate ${ratio.perSecond.toFixed(2)}, CPU ${ratio.cpuMicros.toFixed(2)} times the reference loop`,
  );
}
await Promise.all([reader.close(), setting.admin.close()]);
const rate = median(ratios.map(({ perSecond }) => perSecond));
const cpu = median(ratios.map(({ cpuMicros }) => cpuMicros));
const isSlower = rate < kept.perSecond * (1 - allowance) || cpu > kept.cpuMicros * (1 + allowance);
process.stdout.write(
  `rate ${rate.toFixed(2)} (kept ${kept.perSecond}), CPU an event ${cpu.toFixed(2)} (kept ${kept.cpuMicros}): ${isSlower ? 'SLOWER by more than 20 %' : 'as fast as before'}\n`,
);
process.exit(isSlower ? 1 : 0);
