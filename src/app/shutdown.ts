/**
 * Stops a service: its steps run in order, each with its name in the log. A second signal ends it
 * at once.
 */

import cluster from 'node:cluster';
import { parentPort } from 'node:worker_threads';
import { withTimeout } from '../concurrency/timeout.ts';
import { AppError } from '../errors.ts';
import type { Log } from '../observability/log.ts';
import type { ToWorker } from '../workers/messages.ts';

export type Step = readonly [name: string, run: () => Promise<unknown>, limitMs?: number];

/**
 * No step may delay the others, and the end, for longer: orchestrators kill a process 30 or 45 s
 * after the signal.
 */
const stepLimitMs = 15_000;

/** The usual exit code of a program ended by SIGINT. */
const interrupted = 130;

/**
 * Waits for the order to stop, then runs the steps. The order is SIGTERM or SIGINT, or, in a
 * worker, the supervisor's message.
 * @param announce says that the service runs, once it can be stopped
 * @param ended rejects when the service cannot continue: the steps run nevertheless, then it is
 * thrown
 * @returns the exit code
 */
export async function runUntilStopped(
  log: Log,
  ended: Promise<never>,
  steps: readonly Step[],
  announce: () => void,
): Promise<number> {
  const signals = nextSignals();
  // Announce only now: a reader of the line may send a signal at once.
  announce();
  try {
    const signal = await Promise.race([signals.first, ended]);
    log.info({ signal }, 'stopping');
  } catch (error) {
    log.error({ err: error }, 'cannot continue, stopping');
    await Promise.race([runSteps(log, steps), signals.second]);
    throw error;
  }
  const finished = await Promise.race([runSteps(log, steps), signals.second]);
  if (finished === 'finished') {
    log.info('stopped');
    return 0;
  }
  log.warn('stopped at once by a second signal');
  return interrupted;
}

/**
 * Rejects at SIGTERM or SIGINT, for a command that must close what it has opened. A second signal
 * ends the process at once.
 */
export function interruption(): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => reject(new AppError('INTERRUPTED', 'stop', `ended by ${signal}`)));
  }
  // Until someone waits for it, it must not count as unhandled.
  promise.catch(() => undefined);
  return promise;
}

function nextSignals() {
  const first = Promise.withResolvers<string>();
  const second = Promise.withResolvers<string>();
  let count = 0;
  const stop = (signal: string) => {
    count += 1;
    first.resolve(signal);
    if (count > 1) second.resolve(signal);
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    // systemd and cri-o send signals to every process of the group. A worker listens only to its
    // supervisor, or it would count two.
    process.on(signal, () => (cluster.isWorker ? undefined : stop(signal)));
  }
  // A thread receives no signals: the main thread sends them on.
  parentPort?.on('message', stop);
  if (cluster.isWorker) {
    process.on('message', ({ kind }: ToWorker) => (kind === 'stop' ? stop('stop') : undefined));
  }
  return { first: first.promise, second: second.promise };
}

async function runSteps(log: Log, steps: readonly Step[]): Promise<'finished'> {
  for (const [name, run, limitMs = stepLimitMs] of steps) {
    try {
      const text = `not done after ${limitMs} ms, the next steps run`;
      await withTimeout(run(), limitMs, () => new Error(text));
      log.debug({ step: name }, 'stopping: step done');
    } catch (error) {
      // The other steps must run: a failed one must not keep the membership or the port.
      log.error({ err: error, step: name }, 'stopping: step failed');
    }
  }
  return 'finished';
}
