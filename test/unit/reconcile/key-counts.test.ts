import { expect, test } from 'vitest';
import { KeyCounts } from '../../../src/reconcile/key-counts.ts';

test('keys are counted beyond several growths, and forgotten by clear', () => {
  const counts = new KeyCounts();
  for (let i = 0; i < 10_000; i += 1) counts.add(`key ${i % 5_000}`);
  expect([counts.countOf('key 0'), counts.countOf('key 4999'), counts.countOf('other')]).toEqual([
    2, 2, 0,
  ]);
  counts.clear();
  expect(counts.countOf('key 0')).toBe(0);
  expect([counts.add('key 1'), counts.add('key 1')]).toEqual([1, 2]);
});
