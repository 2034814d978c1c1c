import { expect, test } from 'vitest';
import {
  constantBackoff,
  exponentialBackoff,
  poll,
  retry,
} from '../../../src/concurrency/retry.ts';

/** An attempt that fails with these messages, and then returns 'done'. */
function failing(...messages: string[]) {
  let attempts = 0;
  const attempt = async () => {
    attempts += 1;
    const message = messages.shift();
    if (message) throw new Error(message);
    return 'done';
  };
  return { attempt, attempts: () => attempts };
}

const always = { backoff: constantBackoff(1), isRetriable: () => true };

test('an attempt is repeated until it succeeds', async () => {
  const { attempt, attempts } = failing('a', 'b');
  expect(await retry(attempt, always)).toBe('done');
  expect(attempts()).toBe(3);
});

test('an error that is not retriable is thrown at once', async () => {
  const { attempt, attempts } = failing('retriable', 'fatal');
  const isRetriable = (error: unknown) => String(error).includes('retriable');
  await expect(retry(attempt, { ...always, isRetriable })).rejects.toThrow('fatal');
  expect(attempts()).toBe(2);
});

test('the last of maxFailures attempts throws its error', async () => {
  const { attempt, attempts } = failing('a', 'b', 'c', 'd');
  await expect(retry(attempt, { ...always, maxFailures: 3 })).rejects.toThrow('c');
  expect(attempts()).toBe(3);
});

test('no attempt starts after the time-out', async () => {
  const { attempt, attempts } = failing('a', 'b', 'c');
  const options = { ...always, backoff: constantBackoff(1_500), timeoutMs: 1_000 };
  await expect(retry(attempt, options)).rejects.toThrow('b');
  expect(attempts()).toBe(2);
});

test('beforeRetry runs between two attempts, with the error and the number of failures', async () => {
  const { attempt } = failing('a', 'b');
  const seen: string[] = [];
  await retry(attempt, {
    ...always,
    beforeRetry: (error, failures) => seen.push(`${failures} ${(error as Error).message}`),
  });
  expect(seen).toEqual(['1 a', '2 b']);
});

test('an exponential backoff doubles up to its longest wait', () => {
  const backoff = exponentialBackoff(30, 250);
  expect([1, 2, 3, 4, 5, 50].map(backoff)).toEqual([30, 60, 120, 240, 250, 250]);
});

test('poll returns the first result that is not undefined', async () => {
  const results = [undefined, undefined, 0];
  const query = async () => results.shift();
  const timeoutError = () => new Error('too late');
  expect(await poll(query, { everyMs: 1, timeoutMs: 60_000, timeoutError })).toBe(0);
  const options = { everyMs: 5, timeoutMs: 10, timeoutError };
  await expect(poll(async () => undefined, options)).rejects.toThrow('too late');
});
