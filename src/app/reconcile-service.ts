/**
 * `voucherbus reconcile --every`: reconciles again and again, with readiness and metrics. Of
 * several instances one works, and the others wait.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import type { Config } from '../config/config.ts';
import { AppError, messageOf } from '../errors.ts';
import { Health } from '../observability/health.ts';
import { createLog, type Log } from '../observability/log.ts';
import { createMetrics, type Metrics } from '../observability/metrics.ts';
import { missingOf, type Report } from '../reconcile/report.ts';
import { connectDeployment } from './connect-deployment.ts';
import { version } from './environment.ts';
import { type ReconcileAppConfig, type ReconcileRequest, Reconciler } from './reconcile-app.ts';
import type { WorkerContext } from './run-service.ts';
import { runUntilStopped } from './shutdown.ts';

type ServiceConfig = ReconcileAppConfig & Config<'kafka' | 'registry' | 'operation'>;

export type Schedule = {
  readonly everyMs: number;
  /** Returns what to reconcile now. */
  readonly requestAt: (nowMs: number) => ReconcileRequest;
};

/** The part of /readyz. */
const part = 'reconcile';

export async function runReconcileService(
  config: ServiceConfig,
  schedule: Schedule,
  worker: WorkerContext,
): Promise<number> {
  const log = createLog(config.operation.logLevel, 'reconcile');
  const health = new Health([part]);
  const metrics = createMetrics({ version });
  const shown = await worker.show(health, metrics);
  const deployment = await connectDeployment(config);
  const onElected = (isLeader: boolean) => {
    health.ready(part);
    health.note('leader', isLeader ? 'this instance' : 'another instance, this one waits');
    log.info({ isLeader }, 'elected');
  };
  const reconciler = await Reconciler.join(config, deployment, log, onElected);
  const stopping = new AbortController();
  const runs = new Runs({ reconciler, schedule, health, metrics, log, signal: stopping.signal });
  const ended = runs.run();
  ended.catch(() => undefined);
  const stopReadiness = async () => {
    stopping.abort();
    health.notReady(part, 'stopping');
  };
  return runUntilStopped(
    log,
    ended,
    [
      ['no longer ready', stopReadiness],
      // A run that is stopped goes on where it was, here or in another instance.
      ['group left', () => reconciler[Symbol.asyncDispose]()],
      ['connections closed', async () => deployment[Symbol.asyncDispose]()],
      ['admin closed', shown.close],
    ],
    () => worker.announce(log, { everyMs: schedule.everyMs }),
  );
}

type Parts = {
  readonly reconciler: Reconciler;
  readonly schedule: Schedule;
  readonly health: Health;
  readonly metrics: Metrics;
  readonly log: Log;
  readonly signal: AbortSignal;
};

class Runs {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Runs until it is stopped. @throws AppError if no further run can succeed */
  async run(): Promise<never> {
    const { reconciler, schedule, signal } = this.#parts;
    while (!signal.aborted) {
      await reconciler.leadership.acquired();
      const startedAtMs = Date.now();
      await this.#once(startedAtMs);
      const waitMs = Math.max(0, startedAtMs + schedule.everyMs - Date.now());
      await sleep(waitMs, undefined, { signal }).catch(() => undefined);
    }
    return new Promise<never>(() => {});
  }

  async #once(startedAtMs: number): Promise<void> {
    const { reconciler, schedule, health, metrics, log, signal } = this.#parts;
    const observer = {
      onProgress: (text: string) => health.note('run', text),
      onApiCall: () => metrics.reconcileApiCalls.inc(),
      onBackfilled: () => metrics.reconcileBackfilled.inc(),
    };
    try {
      const report = await reconciler.run(schedule.requestAt(startedAtMs), observer);
      metrics.reconcileFailing.set(0);
      metrics.reconcileLastSuccess.setToCurrentTime();
      metrics.reconcileMissing.set(missingOf(report));
      health.note('run', `ended at ${new Date().toISOString()}, ${missingOf(report)} missing`);
      logReport(report, log);
    } catch (error) {
      if (signal.aborted) return;
      const text = `the last run failed: ${messageOf(error)}`;
      health.note('run', text);
      metrics.reconcileFailing.set(1);
      if (isHopeless(error)) throw error;
      log.error({ err: error }, 'the run failed, the next one continues it');
    }
  }
}

/** A lost election only moves the work to another instance. */
function isHopeless(error: unknown): boolean {
  if (!(error instanceof AppError)) return true;
  return error.recovery === 'stop' && error.code !== 'FENCED';
}

function logReport(report: Report, log: Log): void {
  const { runId, rows, present, inFlight, missing, backfilled, undecided, apiCalls } = report;
  const counts = { rows, present, inFlight, missing: missing.length, undecided: undecided.length };
  const facts = { runId, ...counts, backfilled, apiCalls };
  if (missingOf(report) > 0) log.error(facts, 'reconciled: publications are missing');
  else log.info(facts, 'reconciled');
}
