/** `voucherbus console`: shows the deployment to people until it is stopped. */

import { configOf } from '../app/environment.ts';
import type { Command } from './command.ts';

const groups = ['kafka', 'registry', 'topics', 'processor', 'operation', 'console'] as const;

export const command: Command = {
  summary: 'serves pages that show the deployment: its state, one event, dead letters, gaps',
  usage: 'voucherbus console   (configured by the environment: `voucherbus config`)',
  run: async (_, io) => {
    const config = configOf(groups, io);
    return (await import('../app/console-app.ts')).runConsoleApp(config);
  },
};
