import { createRequire } from 'node:module';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { crc32c } from '../../../src/kafka/crc32c.ts';

const kafkajs = createRequire(import.meta.url)('kafkajs/src/protocol/recordBatch/crc32C') as (
  bytes: Buffer,
) => number;

test('the check value of CRC-32C holds', () => {
  // RFC 3720, B.4, and the catalogue of parametrised CRC algorithms.
  expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283);
  expect(crc32c(Buffer.alloc(32))).toBe(0x8a9136aa);
});

test("any bytes have KafkaJS's checksum, from any start", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(20), (bytes, start) => {
      const buffer = Buffer.from(bytes);
      expect(crc32c(buffer, start)).toBe(kafkajs(buffer.subarray(start)));
    }),
  );
});
