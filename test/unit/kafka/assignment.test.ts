import fc from 'fast-check';
import { expect, test } from 'vitest';
import { assign, type Member } from '../../../src/kafka/assignment.ts';

const twelve = Array.from({ length: 12 }, (_, i) => i);
const member = (id: string, ...owned: number[]): Member => ({ id, owned });

test('every partition goes to exactly one member, as evenly as possible, whatever they claim', () => {
  const invariants = fc.uniqueArray(fc.integer({ min: -1, max: 15 }), { maxLength: 14 });
  fc.assert(
    fc.property(fc.array(invariants, { minLength: 1, maxLength: 8 }), (owned) => {
      const members = owned.map((list, i) => member(`m${i}`, ...list));
      const shares = [...assign(members, twelve).values()];
      expect(shares.flat().sort((a, b) => a - b)).toEqual(twelve);
      const sizes = shares.map((share) => share.length);
      expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
    }),
  );
});

test('a joining member takes only what the others have too much of', () => {
  const result = assign(
    [member('a', 0, 1, 2, 3, 4, 5), member('b', 6, 7, 8, 9, 10, 11), member('c')],
    twelve,
  );
  expect(result.get('a')).toEqual([0, 1, 2, 3]);
  expect(result.get('b')).toEqual([6, 7, 8, 9]);
  expect(result.get('c')).toEqual([4, 5, 10, 11]);
});

test('when a member leaves, the others keep what they had', () => {
  const result = assign([member('a', 0, 1, 2, 3), member('b', 4, 5, 6, 7)], twelve);
  expect(result.get('a')).toEqual(expect.arrayContaining([0, 1, 2, 3]));
  expect(result.get('b')).toEqual(expect.arrayContaining([4, 5, 6, 7]));
});

test('a second plan is empty', () => {
  const first = assign([member('a'), member('b'), member('c')], twelve);
  const again = assign(
    [...first].map(([id, owned]) => ({ id, owned })),
    twelve,
  );
  expect(again).toEqual(first);
});
