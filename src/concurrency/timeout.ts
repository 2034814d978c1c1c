/** Races a promise with a timer. */

export type Settled<T> =
  | { readonly kind: 'settled'; readonly value: T }
  | { readonly kind: 'timed-out' };

/**
 * Waits for the work, but at most `ms` milliseconds (`Infinity`: without a limit). After a
 * time-out the work goes on, and its later rejection is ignored.
 * @throws what the work throws before the time-out
 */
export async function settledWithin<T>(work: Promise<T>, ms: number): Promise<Settled<T>> {
  const settled = work.then((value): Settled<T> => ({ kind: 'settled', value }));
  // setTimeout treats Infinity as 1 ms.
  if (ms === Number.POSITIVE_INFINITY) return settled;
  settled.catch(() => undefined);
  const late = Promise.withResolvers<Settled<T>>();
  const timer = setTimeout(() => late.resolve({ kind: 'timed-out' }), ms);
  return Promise.race([settled, late.promise]).finally(() => clearTimeout(timer));
}

/**
 * Waits for the work, but at most `ms` milliseconds.
 * @throws what the work throws, or `timeoutError()`
 */
export async function withTimeout<T>(
  work: Promise<T>,
  ms: number,
  timeoutError: () => Error,
): Promise<T> {
  const result = await settledWithin(work, ms);
  if (result.kind === 'timed-out') throw timeoutError();
  return result.value;
}
