import { expect, test } from 'vitest';
import { IdTable, segmentBytes } from '../../../src/inspect/id-table.ts';
import { hashOf } from '../../../src/kafka/protocol/murmur2.ts';

const perSegment = segmentBytes / 16;

test('each id is found in its records, the newest first, among many others', () => {
  const table = new IdTable(10 * segmentBytes);
  const count = 2.5 * perSegment;
  for (let n = 0; n < count; n += 1) {
    table.add(hashOf(`id-${n}`), { partition: n % 12, offset: 2 ** 40 + n }, n);
    if (n % 1_000 === 0) table.add(hashOf('many'), { partition: n % 12, offset: n }, n);
  }
  for (const n of [0, 1, perSegment - 1, perSegment, count - 1]) {
    const found = [...table.find(hashOf(`id-${n}`))];
    expect(found).toContainEqual({ partition: n % 12, offset: 2 ** 40 + n });
    // Few others have the same 32 bits.
    expect(found.length).toBeLessThan(3);
  }
  const many = [...table.find(hashOf('many'))].map(({ offset }) => offset);
  expect(many).toEqual(many.toSorted((a, b) => b - a));
  expect(many).toHaveLength(Math.ceil(count / 1_000));
  expect(table.forgottenUntilMs).toBeUndefined();
});

test('a full table forgets the oldest, and says until when', () => {
  const table = new IdTable(2 * segmentBytes);
  for (let n = 0; n < 2.5 * perSegment; n += 1) {
    table.add(hashOf(`id-${n}`), { partition: 0, offset: n }, 1_000 + n);
  }
  expect(table.forgottenUntilMs).toBe(1_000 + perSegment - 1);
  const offsetsOf = (n: number) => [...table.find(hashOf(`id-${n}`))].map(({ offset }) => offset);
  expect(offsetsOf(0)).not.toContain(0);
  expect(offsetsOf(perSegment)).toContain(perSegment);
});
