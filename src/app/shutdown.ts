/** What runs when a service is told to stop: its steps in order, each with its name in the log. A second signal does not wait. */

import cluster from 'node:cluster';
import type { Log } from '../observability/log.ts';
import type { ToWorker } from '../workers/messages.ts';

export type Step = readonly [name: string, run: () => Promise<unknown>, limitMs?: number];

/** No step may keep the others, and the end, waiting for longer: whoever sent the signal kills after 30 or 45 s. */
const stepLimitMs = 15_000;

/** The usual exit code of a program ended by SIGINT. */
const interrupted = 130;

/**
 * Waits for SIGTERM or SIGINT (a worker: for its supervisor's word), then runs the steps and answers the exit code.
 * @param announce says that the service runs, once it can be stopped
 * @param ended rejects when the service can not go on: the steps run all the same, then it is thrown
 */
export async function runUntilStopped(
  log: Log,
  ended: Promise<never>,
  steps: readonly Step[],
  announce: () => void,
): Promise<number> {
  const signals = nextSignals();
  // Only now: whoever reads it may send a signal at once.
  announce();
  try {
    const signal = await Promise.race([signals.first, ended]);
    log.info({ signal }, 'stopping');
  } catch (error) {
    log.error({ err: error }, 'can not go on, stopping');
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
    // systemd and cri-o send it to every process of the group: a worker is told by its supervisor alone, else it would count two.
    process.on(signal, () => (cluster.isWorker ? undefined : stop(signal)));
  }
  if (cluster.isWorker) {
    process.on('message', ({ kind }: ToWorker) => (kind === 'stop' ? stop('stop') : undefined));
  }
  return { first: first.promise, second: second.promise };
}

async function runSteps(log: Log, steps: readonly Step[]): Promise<'finished'> {
  for (const [name, run, limitMs = stepLimitMs] of steps) {
    try {
      await within(limitMs, run());
      log.debug({ step: name }, 'stopping: step done');
    } catch (error) {
      // The other steps must run: a failed one must not keep the group or the port.
      log.error({ err: error, step: name }, 'stopping: step failed');
    }
  }
  return 'finished';
}

async function within(limitMs: number, step: Promise<unknown>): Promise<void> {
  const late = Promise.withResolvers<never>();
  const text = `not done after ${limitMs} ms, the next steps are taken`;
  const timer = setTimeout(() => late.reject(new Error(text)), limitMs);
  await Promise.race([step, late.promise]).finally(() => clearTimeout(timer));
}
