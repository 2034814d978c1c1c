import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Partitioners } from '../../../../src/kafka/kafkajs.ts';
import { partitionOf } from '../../../../src/kafka/protocol/murmur2.ts';

test("a key has the same partition as with KafkaJS and Java's client", () => {
  const theirs = Partitioners.DefaultPartitioner();
  const metadata = (count: number) =>
    Array.from({ length: count }, (_, partitionId) => ({ partitionId, leader: 1 }));
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ unit: 'binary', maxLength: 60 }),
        fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
      ),
      fc.integer({ min: 1, max: 100 }),
      (key, partitions) => {
        const choice = { topic: 't', partitionMetadata: metadata(partitions), message: { key } };
        expect(partitionOf(key, partitions)).toBe(theirs(choice as never));
      },
    ),
    { numRuns: 300 },
  );
});

// org.apache.kafka.common.utils.UtilsTest.testMurmur2, taken modulo 2^31 - 1.
test.each([
  ['21', -973932308],
  ['foobar', -790332482],
  ['a-little-bit-long-string', -985981536],
  ['a-little-bit-longer-string', -1486304829],
  ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
  ['abc', 479470107],
])("%s has the hash that Kafka's own test names", (key, hash) => {
  const most = 0x7fffffff;
  expect(partitionOf(key, most)).toBe((hash & 0x7fffffff) % most);
});
