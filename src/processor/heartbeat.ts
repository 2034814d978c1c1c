/**
 * Keeps the membership in the group while the processor waits for the registry, the vendor or a
 * broker.
 */

import { settledWithin } from '../concurrency/timeout.ts';

const heartbeatEveryMs = 1_000;

/**
 * Sends heartbeats until the work is done, however long it takes.
 * @throws what the work throws; the rebalance error of `heartbeat`, untouched
 */
export async function whileBeating<T>(
  work: Promise<T>,
  heartbeat: () => Promise<void>,
): Promise<T> {
  for (;;) {
    const result = await settledWithin(work, heartbeatEveryMs);
    if (result.kind === 'settled') return result.value;
    await heartbeat();
  }
}
