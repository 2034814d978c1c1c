/** `voucherbus setup`: runs topics apply and schemas register, as one step of a deployment. */

import type { Command } from './command.ts';
import { command as schemas } from './schemas.ts';
import { command as topics } from './topics.ts';

export const command: Command = {
  summary: 'topics apply, then schemas register',
  usage: 'voucherbus setup',
  run: async (_, io) => (await topics.run(['apply'], io)) || schemas.run(['register'], io),
};
