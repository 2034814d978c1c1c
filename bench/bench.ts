/** `make bench`: the figures of the README, measured here and now. BENCH=backlog, restore, bridge, trace or lookups runs one of them; EVENTS and IDS set how many. */

import { benchBacklog } from './backlog.ts';
import { benchBridge } from './bridge.ts';
import { benchLookups } from './lookups.ts';
import { benchRestore } from './restore.ts';
import { say } from './setting.ts';
import { benchTrace } from './trace.ts';

const {
  BENCH = 'backlog,restore,bridge,trace,lookups',
  EVENTS = '100000',
  IDS = '1000000',
} = process.env;
const wanted = BENCH.split(',');
const report: string[] = [];
if (wanted.includes('backlog')) report.push(...(await benchBacklog(Number(EVENTS))), '');
if (wanted.includes('restore')) report.push(...(await benchRestore(Number(IDS))), '');
if (wanted.includes('bridge')) report.push(...(await benchBridge()), '');
if (wanted.includes('trace')) report.push(...(await benchTrace(Number(IDS))), '');
if (wanted.includes('lookups')) report.push(...(await benchLookups()), '');
say('done');
for (const line of report) process.stdout.write(`${line}\n`);
process.exit(0);
