/**
 * `voucherbus topics plan | apply`: compares the cluster's topics with the catalog, and applies the
 * changes.
 */

import { configOf } from '../app/environment.ts';
import { catalogOf } from '../app/routes-file.ts';
import { waitForKafka } from '../app/startup.ts';
import { createLog } from '../observability/log.ts';
import { applyChange, planFor } from '../topics/apply.ts';
import { describeChange } from '../topics/plan.ts';
import type { Command } from './command.ts';

export const command: Command = {
  summary: 'plan | apply: shows or applies the changes of the topics',
  usage: 'voucherbus topics plan | apply',
  run: async ([verb], io) => {
    if (verb !== 'plan' && verb !== 'apply') {
      io.err('usage: voucherbus topics plan | apply');
      return 2;
    }
    const config = configOf(['kafka', 'start', 'topics'], io);
    const admin = await waitForKafka(config, createLog('warn', 'topics'));
    try {
      const catalog = catalogOf(config.topics);
      const changes = await planFor(admin, catalog, config.topics.replicationFactor);
      for (const change of changes) {
        if (verb === 'apply') await applyChange(admin, change);
        io.out(
          `${verb === 'apply' && change.kind !== 'refuse' ? 'done: ' : ''}${describeChange(change)}`,
        );
      }
      if (changes.length === 0) io.out(`the ${catalog.topics.length} topics match the catalog`);
      return changes.some(({ kind }) => kind === 'refuse') ? 1 : 0;
    } finally {
      await admin.close();
    }
  },
};
