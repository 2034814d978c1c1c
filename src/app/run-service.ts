/** A long-running service on all the cores it is given: in this process where that is one, else in workers under a supervisor. */

import cluster from 'node:cluster';
import { availableParallelism } from 'node:os';
import { type AdminServer, startAdminServer } from '../admin/server.ts';
import type { Config } from '../config/config.ts';
import type { Health } from '../observability/health.ts';
import { createLog, type Log } from '../observability/log.ts';
import { createMetrics, type Metrics } from '../observability/metrics.ts';
import { type Bind, untilAllAccepted } from '../workers/connection-balancer.ts';
import type { ServiceFacts } from '../workers/messages.ts';
import { createSupervisor, type SupervisorOptions } from '../workers/supervisor.ts';
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

/** Where a service runs: alone, or as one of several workers. */
export type WorkerContext = {
  /** From 1. */
  readonly number: number;
  readonly of: number;
  /** Shows readiness and metrics: on ADMIN_PORT, or to the supervisor. */
  readonly show: (health: Health, metrics: Metrics) => Promise<AdminServer>;
  /** For a service that has a port. */
  readonly listen: Listen;
  /** The last word of the worker that had this post before, and died. */
  readonly previousWill: string | undefined;
  /** Leaves word to the next one, should this one die. */
  readonly setLastWill: (text: string) => void;
  /** Says that the service runs: in the log, or to the supervisor, who says it once for all. */
  readonly announce: (log: Log, facts: ServiceFacts) => void;
};

export type Service = {
  readonly name: 'bridge' | 'processor';
  /** The line of the log. */
  readonly runs: string;
  readonly workers: number | 'auto';
  readonly readyWith: SupervisorOptions['readyWith'];
  readonly tuning: SupervisorOptions['tuning'];
  /** Added to the time in which a worker must stop. */
  readonly shutdownDelayMs?: number;
  /** To the port where it takes connections. */
  readonly bind?: Bind;
  /** Until it is stopped; answers the exit code. */
  readonly work: (worker: WorkerContext) => Promise<number>;
};

/** Set for its workers by the supervisor. */
const numberVariable = 'VOUCHERBUS_WORKER';
const lastWillVariable = 'VOUCHERBUS_LAST_WILL';
const adminVariable = 'VOUCHERBUS_ADMIN';

export async function runService(
  service: Service,
  { operation }: Config<'operation'>,
): Promise<number> {
  const count = service.workers === 'auto' ? availableParallelism() : service.workers;
  if (cluster.isWorker) return await asWorker(service, count);
  if (count === 1) return await service.work(alone(service, operation));
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
    show: async ({ status }, { registry, workers }) => {
      workers.set(1);
      const log = createLog(operation.logLevel, name);
      const metrics = () => registry.metrics();
      const server = await startAdminServer(operation, { status, metrics }, log);
      adminPort = server.port;
      return server;
    },
    listen: async (server) => {
      if (!bind) throw new Error(`a ${name} has no port`);
      // It stops to listen when it is closed.
      return { port: await bind(server), stop: () => untilAllAccepted(server) };
    },
    previousWill: undefined,
    setLastWill: () => {},
    announce: (log, facts) => log.info({ ...facts, adminPort }, runs),
  };
}

async function asWorker({ work }: Service, of: number): Promise<number> {
  try {
    return await work({
      number: Number(process.env[numberVariable]),
      of,
      show: async (health, metrics) => {
        metrics.workers.set(1);
        answerQueries(health, metrics);
        const { port, name } = JSON.parse(process.env[adminVariable] ?? '{}') as AdminServer;
        return { port, name, close: async () => {} };
      },
      listen: takeConnections,
      previousWill: process.env[lastWillVariable],
      setLastWill: (text) => void setLastWill(text),
      announce: (_, facts) => void announceTo(facts),
    });
  } catch (error) {
    await reportFailure(error);
    return 1;
  }
}

async function supervise(
  { name, runs, readyWith, tuning, shutdownDelayMs = 0, bind }: Service,
  count: number,
  operation: Config<'operation'>['operation'],
): Promise<number> {
  const log = createLog(operation.logLevel, name);
  const workers = createSupervisor({
    count,
    environmentOf: (place, previousWill) => ({
      [numberVariable]: String(place),
      [lastWillVariable]: previousWill,
      [adminVariable]: JSON.stringify(admin),
    }),
    readyWith,
    tuning,
    killAfterMs: killAfterMs + shutdownDelayMs,
    bind,
    log,
    metrics: createMetrics({ version }),
  });
  // Before they start: a port that is taken is known before anything has begun.
  const admin = await startAdminServer(operation, workers, log);
  workers.start();
  const announce = () =>
    void workers.running.then((facts) =>
      log.info({ ...facts, adminPort: admin.port, workers: count }, runs),
    );
  return await runUntilStopped(
    log,
    workers.ended,
    [
      ['workers stopped', workers.stop, stopLimitMs + shutdownDelayMs],
      ['admin closed', admin.close],
    ],
    announce,
  );
}

/** Longer than each step of a worker's own shutdown may take. */
const killAfterMs = 40_000;

/** For all the steps of a worker together. */
const stopLimitMs = 42_000;
