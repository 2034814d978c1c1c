/** Starts `voucherbus console` for a deployment. */

import { type Child, type Environment, startChild } from '../../src/app/child-process.ts';
import type { Deployment } from './deployment.ts';

/** @param admins addresses of the admin ports that it shows */
export async function startConsole(
  { env }: Deployment,
  admins: readonly string[],
  settings: Environment = {},
): Promise<{ readonly child: Child; readonly base: string }> {
  const members = admins.map((admin) => new URL(admin).host).join();
  const own = { CONSOLE_PORT: '0', CONSOLE_MEMBERS: members };
  const child = startChild(['console'], { ...env, ...own, ...settings });
  const { port } = await child.said('the console is ready');
  return { child, base: `http://127.0.0.1:${port}` };
}
