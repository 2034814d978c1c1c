/** A worker's side of the talk with its supervisor. (When the supervisor is gone, node:cluster ends the worker at once.) */

import cluster from 'node:cluster';
import { AppError, shownOf } from '../errors.ts';
import type { Health } from '../observability/health.ts';
import type { Metrics } from '../observability/metrics.ts';
import { snapshotOf } from '../observability/together.ts';
import type { Facts, FromWorker, Question } from './messages.ts';

/** Answers the supervisor's questions from now on. */
export function answerSupervisor(health: Health, metrics: Metrics): void {
  process.on('message', async ({ ask }: Question) => {
    const look = { status: health.status(), metrics: await snapshotOf(metrics) };
    void tell({ kind: 'look', ask, look });
  });
}

export function announceTo(facts: Facts): Promise<void> {
  return tell({ kind: 'running', facts });
}

/** Leaves word to whoever takes this worker's place after its death; the last one counts. */
export function leaveWord(text: string): Promise<void> {
  return tell({ kind: 'will', text });
}

/** Says why this worker ends, so that it is said once, however many fail alike. */
export function confess(error: unknown): Promise<void> {
  const code = error instanceof AppError ? error.code : undefined;
  return tell({ kind: 'failed', failure: { text: shownOf(error), code } });
}

function tell(message: FromWorker): Promise<void> {
  return new Promise((resolve) => {
    // A supervisor that is gone needs to know nothing.
    if (cluster.worker?.isConnected()) cluster.worker.send(message, () => resolve());
    else resolve();
  });
}
