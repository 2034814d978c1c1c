/** `voucherbus trace` of a publication among a million in the window: the journal of its partition is all that is searched. */

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { partitionOf } from '../src/kafka/partition-of.ts';
import { fillJournal } from './restore.ts';
import { median, prepare, say } from './setting.ts';

const partitions = 12;
const runs = 5;

export async function benchTrace(ids: number): Promise<readonly string[]> {
  const rows: string[] = [];
  for (const perRecord of [500, 20, 1]) {
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
    const args = [
      fileURLToPath(new URL('../src/main.ts', import.meta.url)),
      'trace',
      `p0_${number}`,
    ];
    const seconds: number[] = [];
    for (let run = 0; run < runs; run += 1) {
      const startedAt = performance.now();
      const { status, stdout } = spawnSync(process.execPath, args, { env: setting.env });
      seconds.push((performance.now() - startedAt) / 1_000);
      if (status !== 0 || !String(stdout).includes('forwarded'))
        throw new Error('it was not found');
    }
    say(`${perRecord} a record: ${seconds.map((one) => one.toFixed(2)).join(', ')} s`);
    rows.push(`| ${perRecord} | ${median(seconds).toFixed(2)} s |`);
    await setting.admin.close();
  }
  return [
    `\`voucherbus trace\` of one publication among ${ids} in the journal, ${partitions} partitions, start of the process included; medians of ${runs} runs`,
    '',
    '| ids a journal record | from the command to its answer |',
    '|--:|--:|',
    ...rows,
  ];
}
