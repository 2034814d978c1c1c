/** `voucherbus mcp`: serves the deployment to an agent until it goes. */

import { configOf } from '../app/environment.ts';
import type { Command } from './command.ts';

export const command: Command = {
  summary:
    'serves read-only tools to an agent (Model Context Protocol, on standard input and output)',
  usage: `voucherbus mcp   (configured by the environment: \`voucherbus config\`)
Tools: trace, dead_letters, dead_letter, redrive_dry_run, lag, routes_try, topics_plan. Needs the package @modelcontextprotocol/sdk.`,
  run: async (_, io) => {
    const config = configOf(['kafka', 'registry', 'topics', 'processor'], io);
    return (await import('../app/mcp-app.ts')).runMcpApp(config);
  },
};
