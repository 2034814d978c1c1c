/** `voucherbus trace` of a publication among a million in the window: the journal of its partition is all that is searched. */

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { partitionOf } from '../src/kafka/partition-of.ts';
import type { Measure, Race, Values } from './race.ts';
import { fillJournal } from './restore.ts';
import { prepare, say } from './setting.ts';

const partitions = 12;
const runs = 5;

const measures = {
  at500: { label: '500 ids a journal record, s', digits: 2, better: 'less' },
  at20: { label: '20 ids a journal record, s', digits: 2, better: 'less' },
  at1: { label: 'one id a journal record, s', digits: 2, better: 'less' },
} as const satisfies Record<string, Measure>;

export async function benchTrace(ids: number): Promise<Race> {
  const results: Partial<Values<keyof typeof measures>>[] = [];
  for (const [measured, perRecord] of [
    ['at500', 500],
    ['at20', 20],
    ['at1', 1],
  ] as const) {
    const setting = await prepare(`trace-${perRecord}-${Date.now().toString(36)}`, partitions);
    say(`filling the journal with ${ids} ids, ${perRecord} a record`);
    for (let partition = 0; partition < partitions; partition += 1) {
      await fillJournal(
        setting,
        Math.ceil(ids / partitions),
        perRecord,
        partition,
        `p${partition}`,
      );
    }
    // An id that lies where its hash leads.
    let number = 0;
    while (partitionOf(`p0_${number}`, partitions) !== 0) number += 1;
    const main = fileURLToPath(new URL('../src/main.ts', import.meta.url));
    for (let run = 0; run < runs; run += 1) {
      const startedAt = performance.now();
      const args = [main, 'trace', `p0_${number}`];
      const { status, stdout } = spawnSync(process.execPath, args, { env: setting.env });
      const seconds = (performance.now() - startedAt) / 1_000;
      if (status !== 0 || !String(stdout).includes('forwarded'))
        throw new Error('it was not found');
      results[run] = { ...results[run], [measured]: seconds };
    }
    say(`${perRecord} a record: ${results.map((one) => one[measured]?.toFixed(2)).join(', ')} s`);
    await setting.admin.close();
  }
  return {
    title: `\`voucherbus trace\` of one publication among ${ids} in the journal, ${partitions} partitions, from the command to its answer, start of the process included; medians (and all) of ${runs} runs`,
    contestants: ['voucherbus'],
    measures,
    runs: { voucherbus: results as Values<keyof typeof measures>[] },
  };
}
