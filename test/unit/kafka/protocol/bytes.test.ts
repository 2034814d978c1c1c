import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  ByteReader,
  ByteWriter,
  stringSize,
  varintSize,
  varlongSize,
} from '../../../../src/kafka/protocol/bytes.ts';

const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const int53 = fc.integer({ min: -(2 ** 51), max: 2 ** 51 });

test('what is written is read, in the size that was foretold', () => {
  fc.assert(
    fc.property(
      int32,
      int53,
      fc.string({ unit: 'grapheme' }),
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
      (a, b, text, big) => {
        const size = varintSize(a) + varlongSize(b) + stringSize(text) + 4 + 8;
        const out = new ByteWriter(size).varint(a).varlong(b).string(text).int32(a).int64(big);
        expect(out.position).toBe(size);
        const reader = new ByteReader(out.buffer);
        expect([
          reader.varint(),
          reader.varlong(),
          reader.string(),
          reader.int32(),
          reader.int64(),
        ]).toEqual([a, b, text, a, big]);
        expect(reader.remaining).toBe(0);
      },
    ),
  );
});
