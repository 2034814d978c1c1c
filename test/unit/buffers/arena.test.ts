/**
 * Encoding into an arena gives the same bytes as encoding into a Buffer of its own, until the arena
 * is released.
 */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createEncoder } from '../../../src/avro/encoder.ts';
import { typeOf } from '../../../src/avro/schemas.ts';
import { Arena } from '../../../src/buffers/arena.ts';

const encode = createEncoder<string>(typeOf('"string"'), 7);
const sizes = fc.array(fc.oneof(fc.nat(3_000), fc.nat(700_000)), { minLength: 1, maxLength: 30 });

test('values of any size: those that share a chunk, and larger ones', () => {
  fc.assert(
    fc.property(sizes, (list) => {
      const texts = list.map((size, i) => String(i % 10).repeat(size));
      const arena = new Arena();
      const placed = texts.map((text) => encode(text, arena));
      expect(placed.every((bytes, i) => bytes.equals(encode(texts[i] as string)))).toBe(true);
      arena.release();
      expect(placed.every((bytes) => bytes.length === 0)).toBe(true);
      expect(encode('again', arena).equals(encode('again'))).toBe(true);
    }),
    { numRuns: 50 },
  );
});
