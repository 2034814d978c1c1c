/** `voucherbus console`: its parts, and how it starts and stops. */

import { setTimeout as sleep } from 'node:timers/promises';
import { listen } from '../admin/listen.ts';
import type { Config } from '../config/config.ts';
import { Access } from '../console/access.ts';
import { Members } from '../console/members.ts';
import { Watch } from '../console/now.ts';
import type { Tried } from '../console/pages/routes.ts';
import { Proofs, type VerifyRunner } from '../console/proofs.ts';
import { Reads } from '../console/reads.ts';
import { RedriveJobs } from '../console/redrive-jobs.ts';
import { Search } from '../console/search.ts';
import { createConsoleServer } from '../console/server.ts';
import { AppError } from '../errors.ts';
import { compare, eventsOf, lastOnRaw, sharesOf } from '../inspect/compare-routes.ts';
import { Writer } from '../kafka/writer.ts';
import { createLog } from '../observability/log.ts';
import { startChild } from './child-process.ts';
import { connectDeployment } from './connect-deployment.ts';
import { routesIn, routesOf, textOf } from './routes-file.ts';
import { runUntilStopped } from './shutdown.ts';

type ConsoleAppConfig = Config<
  'kafka' | 'registry' | 'topics' | 'processor' | 'operation' | 'console'
>;

const watchEveryMs = 1_000;
const neverEnds = new Promise<never>(() => {});

/** Events on which routes are compared. */
const triedOn = 1_000;

export async function runConsoleApp(config: ConsoleAppConfig): Promise<number> {
  const log = createLog(config.operation.logLevel, 'console');
  const { host, port, members: addresses } = config.console;
  const members = new Members(addresses);
  const watch = new Watch();
  const watching = setInterval(() => watch.observe(members.current(), Date.now()), watchEveryMs);
  const reads = new Reads(() => connectDeployment(config));
  const search = new Search(reads, config.console.maxIndexBytes);
  void search.run((error) => log.warn({ err: error }, 'the index of events could not be kept'));
  const access = new Access(config.console);
  const openWriter = () => reads.with(({ client, catalog }) => Writer.open(client, catalog.raw));
  const jobs = new RedriveJobs(openWriter, log);
  const proofs = new Proofs(config.console.reports, verifyRunner, log);
  const routes = routesFace(config.topics, reads);
  const server = createConsoleServer({
    access,
    members,
    watch,
    reads,
    search,
    jobs,
    routes,
    proofs,
    log,
  });
  const bound = await listen(server, port, host, 'CONSOLE_PORT', log);
  const close = async () => {
    clearInterval(watching);
    members.stop();
    search.stop();
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await Promise.race([closed, sleep(1_000)]);
  };
  return runUntilStopped(
    log,
    neverEnds,
    [
      ['pages closed', close],
      ['redrives cancelled', () => jobs.close()],
      ['verify stopped', () => proofs.close()],
      ['connections closed', () => reads.close()],
    ],
    () => log.info({ port: bound, url: `http://${host}:${bound}/` }, 'the console is ready'),
  );
}

const verifyRunner: VerifyRunner = {
  start: (report) => {
    const args = ['verify', '--count', '2000', '--json', ...(report ? ['--report', report] : [])];
    const child = startChild(args, process.env);
    return { ...child, stop: () => child[Symbol.asyncDispose]() };
  },
  availableBytes: () => process.availableMemory(),
};

/** The routes file is read at each request: it may have changed. */
function routesFace(topics: ConsoleAppConfig['topics'], reads: Reads) {
  const inForce = () => routesOf(topics.routesFile, topics).routes;
  const lastEvents = async () =>
    eventsOf(await reads.with((deployment) => lastOnRaw(deployment, triedOn)));
  return {
    inForce: async () => {
      const routes = inForce();
      const text = topics.routesFile === undefined ? undefined : textOf(topics.routesFile);
      const events = await lastEvents();
      const { version, outline } = routes;
      return { version, outline, ...sharesOf(events, routes), text, events: events.length };
    },
    tryOut: async (text: string): Promise<Tried> => {
      try {
        const { routes } = routesIn(text, 'the routes', topics);
        const comparison = compare(await lastEvents(), inForce(), routes);
        return { kind: 'compared', version: routes.version, comparison };
      } catch (error) {
        if (error instanceof AppError && error.code === 'CONFIG_INVALID') {
          return { kind: 'invalid', problems: error.message };
        }
        throw error;
      }
    },
  };
}
