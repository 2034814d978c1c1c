import { createRequire } from 'node:module';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { crc32c, plainCrc32c } from '../../../../src/kafka/protocol/crc32c.ts';

const kafkajs = createRequire(import.meta.url)('kafkajs/src/protocol/recordBatch/crc32C') as (
  bytes: Buffer,
) => number;

/** On this platform there is a binary for the first. */
const both = [
  ['native', crc32c],
  ['plain', plainCrc32c],
] as const;

test.each(both)('the check value of CRC-32C holds: %s', (_, crc32c) => {
  // RFC 3720, B.4, and the catalogue of parametrised CRC algorithms.
  expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283);
  expect(crc32c(Buffer.alloc(32))).toBe(0x8a9136aa);
});

test.each(both)("any bytes have KafkaJS's checksum, from any start: %s", (_, crc32c) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(20), (bytes, start) => {
      const buffer = Buffer.from(bytes);
      expect(crc32c(buffer, start)).toBe(kafkajs(buffer.subarray(start)));
    }),
  );
});
