/**
 * Runs a long-running service on all the cores it is given: with one core in this process,
 * otherwise in workers under a supervisor.
 */

import cluster from 'node:cluster';
import { availableParallelism } from 'node:os';
import { type AdminServer, startAdminServer } from '../admin/server.ts';
import type { Config } from '../config/config.ts';
import type { Health, Status } from '../observability/health.ts';
import { createLog, type Log } from '../observability/log.ts';
import { showMemory } from '../observability/memory.ts';
import { createMetrics, type Metrics } from '../observability/metrics.ts';
import { noRefusals, type RefusalReport } from '../observability/refusals.ts';
import { type Bind, untilAllAccepted } from '../workers/connection-balancer.ts';
import type { ServiceFacts } from '../workers/messages.ts';
import { Supervisor, type SupervisorOptions } from '../workers/supervisor.ts';
import {
  announceTo,
  answerQueries,
  type Listen,
  reportFailure,
  setLastWill,
  takeConnections,
} from '../workers/worker.ts';
import { version } from './environment.ts';
import { runUntilStopped } from './shutdown.ts';

/** The parts of its process that a service uses: alone, or as one of several workers. */
export type WorkerContext = {
  /** The worker's slot, from 1. */
  readonly number: number;
  /** The number of workers. */
  readonly of: number;
  /**
   * Shows readiness, metrics and what was refused, on ADMIN_PORT or to the supervisor.
   * @param refusals undefined: the service refuses nothing
   */
  readonly show: (
    health: Health,
    metrics: Metrics,
    refusals?: () => RefusalReport,
  ) => Promise<AdminServer>;
  /** Listens, if the service has a port. */
  readonly listen: Listen;
  /** The last will of the worker that had this slot before, and died. */
  readonly predecessorsWill: string | undefined;
  /** Leaves a text for the successor, in case this worker dies. */
  readonly setLastWill: (text: string) => void;
  /**
   * Says that the service runs: in the log, or to the supervisor, which says it once for all
   * workers.
   */
  readonly announce: (log: Log, facts: ServiceFacts) => void;
};

export type Service = {
  readonly name: 'bridge' | 'processor' | 'reconcile';
  /** The log line that says that it runs. */
  readonly runs: string;
  readonly workers: number | 'auto';
  readonly readyWith: SupervisorOptions['readyWith'];
  readonly tuning: SupervisorOptions['tuning'];
  /** Added to the time in which a worker must stop. */
  readonly shutdownDelayMs?: number;
  /** Binds the port where the service accepts connections. */
  readonly bind?: Bind;
  /** Runs until it is stopped. Returns the exit code. */
  readonly run: (worker: WorkerContext) => Promise<number>;
};

/** Environment of the workers, set by the supervisor. */
const numberVariable = 'VOUCHERBUS_WORKER';
const lastWillVariable = 'VOUCHERBUS_LAST_WILL';
const adminVariable = 'VOUCHERBUS_ADMIN';

export async function runService(
  service: Service,
  { operation }: Config<'operation'>,
): Promise<number> {
  const count = service.workers === 'auto' ? availableParallelism() : service.workers;
  if (cluster.isWorker) return await runAsWorker(service, count);
  if (count === 1) return await service.run(alone(service, operation));
  return await supervise(service, count, operation);
}

function alone(
  { name, runs, bind }: Service,
  operation: Config<'operation'>['operation'],
): WorkerContext {
  let adminPort: number | undefined;
  return {
    number: 1,
    of: 1,
    show: async (health, metrics, refusals = noRefusals) => {
      metrics.workers.set(1);
      const log = createLog(operation.logLevel, name);
      const status = () => health.status();
      const shown = {
        status,
        metrics: () => {
          showService(name, metrics, status());
          return metrics.registry.metrics();
        },
        refusals: async () => refusals(),
      };
      const server = await startAdminServer(operation, shown, log);
      adminPort = server.port;
      return server;
    },
    listen: async (server) => {
      if (!bind) throw new Error(`a ${name} has no port`);
      // Closing the server ends the listening.
      return { port: await bind(server), stop: () => untilAllAccepted(server) };
    },
    predecessorsWill: undefined,
    setLastWill: () => {},
    announce: (log, facts) => log.info({ ...facts, adminPort }, runs),
  };
}

/** Sets the gauges of the service as a whole: whether it is ready, and its memory. */
function showService(service: Service['name'], metrics: Metrics, { isReady }: Status): void {
  metrics.ready.set({ service }, isReady ? 1 : 0);
  showMemory(metrics);
}

async function runAsWorker({ run }: Service, of: number): Promise<number> {
  try {
    return await run({
      number: Number(process.env[numberVariable]),
      of,
      show: async (health, metrics, refusals = noRefusals) => {
        metrics.workers.set(1);
        answerQueries({ health, metrics, refusals });
        const { port, name } = JSON.parse(process.env[adminVariable] ?? '{}') as AdminServer;
        return { port, name, close: async () => {} };
      },
      listen: takeConnections,
      predecessorsWill: process.env[lastWillVariable],
      setLastWill: (text) => void setLastWill(text),
      announce: (_, facts) => void announceTo(facts),
    });
  } catch (error) {
    await reportFailure(error);
    return 1;
  }
}

/** Longer than each step of a worker's own shutdown may take. */
const killAfterMs = 40_000;

/** Time limit of all steps of a worker together. */
const stopLimitMs = 42_000;

async function supervise(
  { name, runs, readyWith, tuning, shutdownDelayMs = 0, bind }: Service,
  count: number,
  operation: Config<'operation'>['operation'],
): Promise<number> {
  const log = createLog(operation.logLevel, name);
  const metrics = createMetrics({ version });
  const supervisor = new Supervisor({
    count,
    environmentOf: (slot, lastWill) => ({
      [numberVariable]: String(slot),
      [lastWillVariable]: lastWill,
      [adminVariable]: JSON.stringify(admin),
    }),
    readyWith,
    tuning,
    killAfterMs: killAfterMs + shutdownDelayMs,
    bind,
    log,
    metrics,
  });
  const shown = {
    status: () => supervisor.status(),
    metrics: () => supervisor.metrics((status) => showService(name, metrics, status)),
    refusals: () => supervisor.refusals(),
  };
  // Before the workers start: a port that is in use is reported before anything has begun.
  const admin = await startAdminServer(operation, shown, log);
  supervisor.start();
  const announce = () =>
    void supervisor.running.then((facts) =>
      log.info({ ...facts, adminPort: admin.port, workers: count }, runs),
    );
  return await runUntilStopped(
    log,
    supervisor.ended,
    [
      ['workers stopped', () => supervisor.stop(), stopLimitMs + shutdownDelayMs],
      ['admin closed', admin.close],
    ],
    announce,
  );
}
