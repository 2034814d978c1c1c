import { expect, test } from 'vitest';
import { Linger } from '../../../src/processor/linger.ts';

/** One that has seen so many commits of so many milliseconds. */
function after(commits: number, commitMs: number): Linger {
  const linger = new Linger();
  for (let i = 0; i < commits; i += 1) linger.after(commitMs, 1, true);
  return linger;
}

test('there is no wait after a single record', () => {
  expect(after(200, 5).after(5, 1, true)).toBe(0);
});

test('while more is there to be fetched, nothing waits', () => {
  expect(after(200, 5).after(5, 1_000, false)).toBe(0);
});

test('where several came during a commit, the next waits for twice the usual time of one', () => {
  expect(after(200, 5).after(5, 2, true)).toBeCloseTo(10, 1);
});

test('one slow commit does not change the usual time, many do', () => {
  const linger = after(200, 4);
  expect(linger.after(100, 2, true)).toBeLessThan(18);
  for (let i = 0; i < 200; i += 1) linger.after(9, 1, true);
  expect(linger.after(9, 2, true)).toBeCloseTo(18, 1);
});

test('the wait is at most 20 ms, also for large transactions', () => {
  expect(after(200, 500).after(500, 1_000, true)).toBe(20);
});
