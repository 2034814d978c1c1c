/** Released memory is gone for every Buffer on it, and no other memory is. */

import { expect, test } from 'vitest';
import { freeNow, release, retain } from '../../../src/buffers/lifetime.ts';

test('memory with a single reference is gone when it is released', () => {
  const bytes = Buffer.alloc(100_000);
  const slice = bytes.subarray(5, 10);
  freeNow(bytes);
  expect([bytes.length, slice.length]).toEqual([0, 0]);
});

test('what has several users is gone with the last one', () => {
  const bytes = Buffer.alloc(100_000, 1);
  const halves = [bytes.subarray(0, 50_000), bytes.subarray(50_000)] as const;
  for (const half of halves) retain(half);
  release(halves[0]);
  expect(halves[1].every((byte) => byte === 1)).toBe(true);
  release(halves[1]);
  expect(bytes.length).toBe(0);
});

test('a slice is not freed, because the rest may be in use', () => {
  const bytes = Buffer.alloc(100_000);
  freeNow(bytes.subarray(1));
  expect(bytes.length).toBe(100_000);
});

test("Node's pool, which all small Buffers share, stays", () => {
  const small = Buffer.from('pooled');
  expect(small.buffer.byteLength).toBe(Buffer.poolSize);
  const other = Buffer.from('other');
  retain(small);
  release(small);
  expect([String(small), String(other)]).toEqual(['pooled', 'other']);
  const wholePool = Buffer.from(small.buffer);
  freeNow(wholePool);
  expect(String(other)).toBe('other');
});
