import { createRequire } from 'node:module';
import { expect, test, vi } from 'vitest';
import { patchRequestQueue } from '../../../../src/kafka/kafkajs-patches/request-queue.ts';

const require = createRequire(import.meta.url);
const path = 'kafkajs/src/network/requestQueue';

/** Counts the timers of an idle queue, from a fresh copy of KafkaJS's class. */
function timersOfIdleQueue(isPatched: boolean): number {
  delete require.cache[require.resolve(path)];
  const RequestQueue = require(path);
  if (isPatched) patchRequestQueue();
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

/**
 * Returns whether a request without response times out within a few checks, if the wall clock is
 * moved after it was sent.
 */
async function timesOut(
  isPatched: boolean,
  requestTimeout: number,
  movedByMs: number,
): Promise<boolean> {
  delete require.cache[require.resolve(path)];
  delete require.cache[require.resolve(`${path}/socketRequest`)];
  const RequestQueue = require(path);
  if (isPatched) patchRequestQueue();
  const logger = { namespace: () => ({ debug: () => {}, error: () => {} }) };
  const queue = new RequestQueue({
    maxInFlightRequests: null,
    requestTimeout,
    enforceRequestTimeout: true,
    clientId: 'c',
    broker: 'b',
    logger,
    isConnected: () => true,
  });
  queue.scheduleRequestTimeoutCheck();
  let hasTimedOut = false;
  const entry = {
    ...{ apiName: 'JoinGroup', apiKey: 11, apiVersion: 5, correlationId: 1, resolve: () => {} },
    reject: () => {
      hasTimedOut = true;
    },
  };
  vi.useFakeTimers({ toFake: ['Date'] });
  try {
    queue.push({ entry, expectResponse: true, requestTimeout, sendRequest: () => {} });
    vi.setSystemTime(Date.now() + movedByMs);
    await new Promise((resolve) => setTimeout(resolve, 400));
    return hasTimedOut;
  } finally {
    vi.useRealTimers();
    queue.destroy();
  }
}

const hour = 3_600_000;

test('moving the clock neither times a request out nor prevents a time-out', async () => {
  expect(await timesOut(true, 10_000, hour)).toBe(false);
  expect(await timesOut(true, 100, -hour)).toBe(true);
});

test("KafkaJS's own queue depends on the clock", async () => {
  expect(await timesOut(false, 10_000, hour)).toBe(true);
  expect(await timesOut(false, 100, -hour)).toBe(false);
});
