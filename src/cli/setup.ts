/**
 * `voucherbus setup`: runs topics apply and schemas register, and commits the group's first
 * offsets, as one step of a deployment.
 */

import { configOf } from '../app/environment.ts';
import { catalogOf } from '../app/routes-file.ts';
import { waitForKafka } from '../app/startup.ts';
import { createClient } from '../kafka/client.ts';
import { createLog } from '../observability/log.ts';
import { commitInitialOffsets } from '../topics/initial-offsets.ts';
import type { Command } from './command.ts';
import { command as schemas } from './schemas.ts';
import { command as topics } from './topics.ts';

export const command: Command = {
  summary: "topics apply, schemas register, and the group's first offsets",
  usage: 'voucherbus setup',
  run: async (_, io) => {
    const code = (await topics.run(['apply'], io)) || (await schemas.run(['register'], io));
    if (code !== 0) return code;
    const config = configOf(['kafka', 'start', 'topics', 'processor'], io);
    const { group } = config.processor;
    const log = createLog('warn', 'setup');
    const admin = await waitForKafka(config, log);
    try {
      const catalog = catalogOf(config.topics);
      const client = createClient(config.kafka, log);
      const count = await commitInitialOffsets(client, admin, group, catalog);
      if (count > 0) io.out(`done: the group ${group} begins with ${count} partitions`);
      return 0;
    } finally {
      await admin.close();
    }
  },
};
