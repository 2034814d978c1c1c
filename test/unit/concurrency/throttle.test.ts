import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Throttle } from '../../../src/concurrency/throttle.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }));
afterEach(() => void vi.useRealTimers());

test('it is due at once, and then once per interval', () => {
  const throttle = new Throttle(100);
  expect([throttle.isDue(), throttle.isDue()]).toEqual([true, false]);
  vi.advanceTimersByTime(99);
  expect(throttle.isDue()).toBe(false);
  vi.advanceTimersByTime(1);
  expect([throttle.isDue(), throttle.isDue()]).toEqual([true, false]);
});

test('with isFirstDue false it is due after the first interval', () => {
  const throttle = new Throttle(100, { isFirstDue: false });
  expect(throttle.isDue()).toBe(false);
  vi.advanceTimersByTime(100);
  expect(throttle.isDue()).toBe(true);
});
