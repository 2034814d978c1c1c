/** Waits for somebody else (the registry, the vendor, a broker) without losing the place in the group. */

const betweenHeartbeatsMs = 1_000;

/** Sends heartbeats until the work is done, however long it takes. @throws what the work throws; the rebalance error of `heartbeat`, untouched */
export async function whileBeating<T>(
  work: Promise<T>,
  heartbeat: () => Promise<void>,
): Promise<T> {
  // If a heartbeat fails, nobody waits for the work any more.
  work.catch(() => undefined);
  for (;;) {
    const timer = Promise.withResolvers<'late'>();
    const id = setTimeout(() => timer.resolve('late'), betweenHeartbeatsMs);
    const first = await Promise.race([work.then((value) => ({ value })), timer.promise]).finally(
      () => clearTimeout(id),
    );
    if (first !== 'late') return first.value;
    await heartbeat();
  }
}
