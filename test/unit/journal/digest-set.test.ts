import fc from 'fast-check';
import { expect, test } from 'vitest';
import { digestOf } from '../../../src/digest.ts';
import { DigestSet } from '../../../src/journal/digest-set.ts';

test('it contains the same digests as a Set', () => {
  // Few different bytes: many equal digests, and many in the same slots.
  const digest = fc
    .uint8Array({ minLength: 16, maxLength: 16, max: 2 })
    .map((bytes) => Buffer.from(bytes));
  fc.assert(
    fc.property(
      fc.array(digest, { maxLength: 300 }),
      fc.array(digest, { maxLength: 50 }),
      (added, asked) => {
        const set = new DigestSet();
        const model = new Set<string>();
        for (const one of added) {
          // A first word of zero is kept as one: the two count as equal.
          const kept = Buffer.from(one);
          if (kept.readUInt32LE(0) === 0) kept.writeUInt32LE(1, 0);
          set.add(one);
          model.add(kept.toString('hex'));
        }
        expect(set.size).toBe(model.size);
        for (const one of [...added, ...asked]) {
          const kept = Buffer.from(one);
          if (kept.readUInt32LE(0) === 0) kept.writeUInt32LE(1, 0);
          expect(set.has(one)).toBe(model.has(kept.toString('hex')));
        }
      },
    ),
  );
});

test('a hundred thousand ids take at most 50 bytes each', () => {
  const set = new DigestSet();
  for (let i = 0; i < 100_000; i += 1) set.add(digestOf(`pub_${i}`));
  expect(set.size).toBe(100_000);
  expect(set.bytes / set.size).toBeLessThanOrEqual(50);
  expect(set.has(digestOf('pub_99999'))).toBe(true);
  expect(set.has(digestOf('pub_100000'))).toBe(false);
});
