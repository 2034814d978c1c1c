import { expect, test } from 'vitest';
import { settledWithin, withTimeout } from '../../../src/concurrency/timeout.ts';

const never = new Promise<string>(() => {});

test('work that settles in time gives its value or its error', async () => {
  expect(await settledWithin(Promise.resolve(1), 60_000)).toEqual({ kind: 'settled', value: 1 });
  await expect(settledWithin(Promise.reject(new Error('no')), 60_000)).rejects.toThrow('no');
});

test('work that takes too long times out, and its later rejection is ignored', async () => {
  expect(await settledWithin(never, 5)).toEqual({ kind: 'timed-out' });
  const { promise, reject } = Promise.withResolvers<string>();
  expect(await settledWithin(promise, 5)).toEqual({ kind: 'timed-out' });
  reject(new Error('late'));
  await new Promise((resolve) => setImmediate(resolve));
});

test('Infinity is no limit', async () => {
  const later = new Promise<string>((resolve) => setTimeout(resolve, 20, 'later'));
  const result = await settledWithin(later, Number.POSITIVE_INFINITY);
  expect(result).toEqual({ kind: 'settled', value: 'later' });
});

test('withTimeout throws the given error', async () => {
  const timeoutError = () => new Error('too late');
  await expect(withTimeout(never, 5, timeoutError)).rejects.toThrow('too late');
  expect(await withTimeout(Promise.resolve(2), 60_000, timeoutError)).toBe(2);
});
