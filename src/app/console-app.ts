/** `voucherbus console`: its parts, and how it starts and stops. */

import { setTimeout as sleep } from 'node:timers/promises';
import { listen } from '../admin/listen.ts';
import type { Config } from '../config/config.ts';
import { Access } from '../console/access.ts';
import { Members } from '../console/members.ts';
import { Watch } from '../console/now.ts';
import { Reads } from '../console/reads.ts';
import { RedriveJobs } from '../console/redrive-jobs.ts';
import { createConsoleServer } from '../console/server.ts';
import { Writer } from '../kafka/writer.ts';
import { createLog } from '../observability/log.ts';
import { connectDeployment } from './connect-deployment.ts';
import { runUntilStopped } from './shutdown.ts';

type ConsoleAppConfig = Config<
  'kafka' | 'registry' | 'topics' | 'processor' | 'operation' | 'console'
>;

const watchEveryMs = 1_000;
const neverEnds = new Promise<never>(() => {});

export async function runConsoleApp(config: ConsoleAppConfig): Promise<number> {
  const log = createLog(config.operation.logLevel, 'console');
  const { host, port, members: addresses } = config.console;
  const members = new Members(addresses);
  const watch = new Watch();
  const watching = setInterval(() => watch.observe(members.current(), Date.now()), watchEveryMs);
  const reads = new Reads(() => connectDeployment(config));
  const access = new Access(config.console);
  const openWriter = () => reads.with(({ client, catalog }) => Writer.open(client, catalog.raw));
  const jobs = new RedriveJobs(openWriter, log);
  const server = createConsoleServer({ access, members, watch, reads, jobs, log });
  const bound = await listen(server, port, host, 'CONSOLE_PORT', log);
  const close = async () => {
    clearInterval(watching);
    members.stop();
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await Promise.race([closed, sleep(1_000)]);
  };
  return runUntilStopped(
    log,
    neverEnds,
    [
      ['pages closed', close],
      ['connections closed', () => reads.close()],
    ],
    () => log.info({ port: bound, url: `http://${host}:${bound}/` }, 'the console is ready'),
  );
}
