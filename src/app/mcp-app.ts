/** `voucherbus mcp`: its parts. Standard output belongs to the protocol. */

import { once } from 'node:events';
import type { Config } from '../config/config.ts';
import { addTools } from '../console/mcp.ts';
import { Reads } from '../console/reads.ts';
import { loadOptional } from '../credentials/optional-package.ts';
import { compare, eventsOf, lastOnRaw } from '../inspect/compare-routes.ts';
import { planFor } from '../topics/apply.ts';
import { describeChange } from '../topics/plan.ts';
import { connectDeployment } from './connect-deployment.ts';
import { version } from './environment.ts';
import { catalogOf, routesOf } from './routes-file.ts';

type McpConfig = Config<'kafka' | 'registry' | 'topics' | 'processor'>;

/** Serves one client until it goes. @throws AppError if the SDK is not installed */
export async function runMcpApp(config: McpConfig): Promise<number> {
  const { topics } = config;
  const load = () =>
    Promise.all([
      import('@modelcontextprotocol/sdk/server/mcp.js'),
      import('@modelcontextprotocol/sdk/server/stdio.js'),
    ]);
  const [{ McpServer }, { StdioServerTransport }] = await loadOptional(
    '@modelcontextprotocol/sdk',
    '`voucherbus mcp`',
    load,
  );
  const reads = new Reads(() => connectDeployment(config));
  const server = new McpServer({ name: 'voucherbus', version });
  addTools(server, reads, {
    tryRoutes: async (file, last) => {
      const tried = routesOf(file ?? topics.routesFile, topics);
      const inForce = routesOf(file === undefined ? undefined : topics.routesFile, topics);
      const bodies = await reads.with((deployment) => lastOnRaw(deployment, last));
      return compare(eventsOf(bodies), inForce.routes, tried.routes);
    },
    planTopics: () =>
      reads.with(async ({ admin }) => {
        const changes = await planFor(admin, catalogOf(topics), topics.replicationFactor);
        return changes.map(describeChange);
      }),
  });
  await server.connect(new StdioServerTransport());
  await once(process.stdin, 'end');
  await server.close();
  await reads.close();
  return 0;
}
