/**
 * `voucherbus trace` of a publication among a million in the window: the journal of its partition
 * is all that is searched.
 */

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { partitionOf } from '../src/kafka/protocol/murmur2.ts';
import type { Race, Values } from './race.ts';
import { fillJournal, idsPerRecord, timesByRecord } from './restore.ts';
import { prepare, say } from './setting.ts';

const partitions = 12;
const runs = 5;

export async function benchTrace(ids: number): Promise<Race> {
  const results: Partial<Values<keyof typeof timesByRecord>>[] = [];
  for (const [measured, perRecord] of idsPerRecord) {
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
    title: `\`voucherbus trace\` of one publication among ${ids} in the journal, ${partitions} partitions, from the command to its result, start of the process included; medians (and all) of ${runs} runs`,
    contestants: ['voucherbus'],
    measures: timesByRecord,
    runs: { voucherbus: results as Values<keyof typeof timesByRecord>[] },
  };
}
