import { expect, test } from 'vitest';
import { restartPolicy } from '../../../src/workers/restart-policy.ts';

const death = { hasAnyRun: true, isByItself: false, livedMs: 100, shortLivesBefore: 0 };

test('it is replaced at once, then with a growing backoff, then given up', () => {
  const waits: (number | string)[] = [];
  for (let shortLivesBefore = 0; ; shortLivesBefore += 1) {
    const consequence = restartPolicy({ ...death, shortLivesBefore });
    waits.push(consequence.kind === 'replace' ? consequence.waitMs : consequence.kind);
    if (consequence.kind === 'give-up') break;
    expect(consequence.shortLives).toBe(shortLivesBefore + 1);
  }
  expect(waits).toEqual([0, 1_000, 2_000, 4_000, 8_000, 'give-up']);
});

test('a worker that lived for a minute resets the crash counter', () => {
  const consequence = restartPolicy({ ...death, livedMs: 60_000, shortLivesBefore: 5 });
  expect(consequence).toEqual({ kind: 'replace', waitMs: 0, shortLives: 0 });
});

test('a worker that finds at the start that it cannot run is not replaced; one that is killed at the start is', () => {
  const first = { ...death, hasAnyRun: false };
  expect(restartPolicy({ ...first, isByItself: true }).kind).toBe('give-up');
  expect(restartPolicy(first).kind).toBe('replace');
  expect(restartPolicy({ ...death, isByItself: true }).kind).toBe('replace');
});
