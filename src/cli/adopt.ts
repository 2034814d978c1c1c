/**
 * `voucherbus adopt`: accepts that the topics or the consumer group differ from those for which the
 * journal was written.
 */

import { parseArgs } from 'node:util';
import { connectFromEnvironment } from '../app/connect-deployment.ts';
import type { Io } from '../app/io.ts';
import { audited, operatorName } from '../app/operator.ts';
import { AppError } from '../errors.ts';
import { adopt, deploymentNow, type PartitionPlan, planAdoption } from '../inspect/adopt.ts';
import type { Deployment } from '../topics/deployment.ts';
import type { Command } from './command.ts';
import { parseOrUsage } from './options.ts';

const usage = `voucherbus adopt [--execute]
  The journal says for which topics (by Kafka's topic ids), which consumer group and how many partitions it was written, and processors refuse to
  go on with others. This command shows what differs, and with --execute makes the journal belong to what is there now:
  - raw was recreated, restored, mirrored or truncated: it is read from its beginning. Ids are kept: what was
    forwarded before is a duplicate.
  - an output, dead-letter, journal or reference topic was recreated, or CONSUMER_GROUP was renamed: the position stays the same.
  Stop the processors first. Exit code 0: nothing differs, or it was adopted. 1: something differs.`;

export const command: Command = {
  summary: 'accepts recreated topics, or another consumer group',
  usage,
  run: async (args, io) => {
    const parsed = parseOrUsage(io, usage, () => {
      const options = { execute: { type: 'boolean', default: false } } as const;
      return parseArgs({ args: [...args], options }).values;
    });
    if (!parsed) return 2;
    await using deployment = await connectFromEnvironment(io);
    const now = await deploymentNow(deployment);
    const plans: PartitionPlan[] = [];
    for (let partition = 0; partition < now.partitions; partition += 1) {
      plans.push(await planAdoption(deployment, partition, now));
    }
    const different = plans.filter(({ reasons }) => reasons.length > 0);
    if (different.length === 0) {
      io.out('nothing to adopt: the journal belongs to these topics and this group');
      return 0;
    }
    if (!parsed.execute) {
      for (const plan of different) show(plan, io);
      io.out('--execute writes this. Stop the processors first.');
      return 1;
    }
    for (const group of new Set([deployment.group, ...plans.flatMap((plan) => plan.group ?? [])])) {
      await expectNoMembers(deployment, group);
    }
    const reasons = [...new Set(different.flatMap((plan) => plan.reasons))];
    const { group } = deployment;
    let adopted = 0;
    const facts = () => ({ by: operatorName(), group, partitions: plans.length, adopted, reasons });
    await audited('journal.adopt', facts, async () => {
      // All partitions: one without a journal records its deployment from now on, too.
      for (const { partition } of plans) {
        show(await adopt(deployment, partition, now), io);
        adopted += 1;
      }
    });
    io.out('done: start the processors');
    return 0;
  },
};

async function expectNoMembers({ admin }: Pick<Deployment, 'admin'>, group: string): Promise<void> {
  const count = await admin.memberCount(group);
  if (count === 0) return;
  const text = `the group ${group} has ${count} members: expected none. Stop its processors first`;
  throw new AppError('ASSUMPTION_BROKEN', 'stop', text);
}

function show({ partition, from, to, ids, reasons }: PartitionPlan, io: Io): void {
  const position = from === to ? `position ${to}` : `position ${from} becomes ${to}`;
  io.out(`partition ${partition}: ${position}, ${ids} ids kept`);
  for (const reason of reasons) io.out(`  ${reason}`);
}
