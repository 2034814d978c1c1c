import { createRequire } from 'node:module';
import { expect, test, vi } from 'vitest';
import { mendRequestQueue } from '../../../../src/kafka/repairs/request-queue.ts';

const require = createRequire(import.meta.url);
const path = 'kafkajs/src/network/requestQueue';

/** A queue of KafkaJS's class as it is on disk, with nothing to do, watched for a while. */
function timersOfIdleQueue(mend: boolean): number {
  delete require.cache[require.resolve(path)];
  const RequestQueue = require(path);
  if (mend) mendRequestQueue();
  vi.useFakeTimers();
  const set = vi.spyOn(globalThis, 'setTimeout');
  try {
    const logger = { namespace: () => ({ debug: () => {} }) };
    new RequestQueue({
      maxInFlightRequests: null,
      requestTimeout: 1_000,
      clientId: 'c',
      broker: 'b',
      logger,
      isConnected: () => true,
    }).checkPendingRequests();
    vi.advanceTimersByTime(100);
    return set.mock.calls.length;
  } finally {
    vi.useRealTimers();
  }
}

test('an idle queue sets no timer', () => {
  expect(timersOfIdleQueue(true)).toBe(0);
});

test("KafkaJS's own idle queue wakes again and again", () => {
  expect(timersOfIdleQueue(false)).toBeGreaterThan(10);
});
