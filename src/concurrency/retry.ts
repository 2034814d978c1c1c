/** Repeats an attempt with a bound, a backoff and a reason. */

import { setTimeout as sleep } from 'node:timers/promises';

/** Milliseconds to wait after so many failures in a row, from 1. */
export type Backoff = (failures: number) => number;

export const constantBackoff =
  (ms: number): Backoff =>
  () =>
    ms;

/** Doubles from `firstMs` up to `longestMs`. */
export const exponentialBackoff =
  (firstMs: number, longestMs: number): Backoff =>
  (failures) =>
    Math.min(longestMs, firstMs * 2 ** (failures - 1));

export type RetryOptions = {
  readonly backoff: Backoff;
  readonly isRetriable: (error: unknown) => boolean;
  /** The last attempt is the one that fails for this many times. Default: no bound. */
  readonly maxFailures?: number;
  /** No attempt starts later than this, in milliseconds after the first one. Default: no bound. */
  readonly timeoutMs?: number;
  /** Runs between two attempts, after the wait. */
  readonly beforeRetry?: (error: unknown, failures: number) => unknown;
};

/** @throws the error of the last attempt */
export async function retry<T>(attempt: () => Promise<T>, options: RetryOptions): Promise<T> {
  const { backoff, isRetriable, beforeRetry } = options;
  const { maxFailures = Number.POSITIVE_INFINITY, timeoutMs = Number.POSITIVE_INFINITY } = options;
  const startedAt = performance.now();
  for (let failures = 1; ; failures += 1) {
    try {
      return await attempt();
    } catch (error) {
      const isOver = failures >= maxFailures || performance.now() - startedAt >= timeoutMs;
      if (isOver || !isRetriable(error)) throw error;
      await sleep(backoff(failures));
      await beforeRetry?.(error, failures);
    }
  }
}

export type PollOptions = {
  readonly everyMs: number;
  readonly timeoutMs: number;
  /** Made when the time is over. */
  readonly timeoutError: () => Error;
};

/** Repeats the query until it returns something else than undefined. @throws `timeoutError()` */
export async function poll<T>(
  query: () => Promise<T | undefined>,
  { everyMs, timeoutMs, timeoutError }: PollOptions,
): Promise<T> {
  for (const deadline = performance.now() + timeoutMs; ; await sleep(everyMs)) {
    const found = await query();
    if (found !== undefined) return found;
    if (performance.now() >= deadline) throw timeoutError();
  }
}
