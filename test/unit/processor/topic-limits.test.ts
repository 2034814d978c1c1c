import { expect, test } from 'vitest';
import { errorOfCode } from '../../../src/kafka/cluster.ts';
import type { OutputRecord } from '../../../src/kafka/transactional-producer.ts';
import { excessOf, explained, readTopicLimits } from '../../../src/processor/topic-limits.ts';
import { encodeRecordBatch } from '../../support/record-batch.ts';

const records: OutputRecord[] = Array.from({ length: 40 }, (_, i) => ({
  partition: 0,
  key: `k${i}`,
  value: Buffer.alloc(1_000 + i),
  headers: { ce_id: `id-${i}`, ce_time: '2026-11-24T12:00:00.000Z' },
}));
const transaction = {
  records: [{ topic: 't', messages: records }],
  offsets: { group: 'g', topic: 'raw', partition: 0, offset: 1 },
};
const size = encodeRecordBatch(records, {
  producerId: 1n,
  producerEpoch: 0,
  firstSequence: 0,
  isTransactional: true,
  nowMs: 5,
}).length;

const topics = (config: Record<string, string>) => ({
  describe: async () =>
    new Map([['t', { partitions: 1, replicationFactor: 1, config, overrides: {} }]]),
});

test('the limit is kept to the byte', async () => {
  const limitsOf = (bytes: number) =>
    readTopicLimits(
      topics({ 'max.message.bytes': String(bytes), 'segment.bytes': '99999999' }),
      () => ['t'],
    );
  expect(excessOf(transaction, await limitsOf(size), 5)).toBeUndefined();
  expect(excessOf(transaction, await limitsOf(size - 1), 5)).toEqual({
    topic: 't',
    bytes: size,
    limit: size - 1,
  });
});

test('a segment limits a batch as well, and a refresh reads a changed limit', async () => {
  const config = { 'max.message.bytes': '1000000', 'segment.bytes': '50000' };
  const limits = await readTopicLimits(topics(config), () => ['t']);
  expect([limits.of('t'), limits.of('unknown')]).toEqual([50_000, Number.POSITIVE_INFINITY]);
  config['max.message.bytes'] = '2000';
  await limits.refresh();
  expect(limits.of('t')).toBe(2_000);
});

test('a refusal is a reason to try again where the topic takes less than before, also for the second who meets it', async () => {
  const config = { 'max.message.bytes': '1000000', 'segment.bytes': '5000000' };
  const limits = await readTopicLimits(topics(config), () => ['t']);
  const refusal = errorOfCode(10);
  // Nothing has changed: the broker refuses what it should take, and an operator must look.
  expect(await explained(refusal, transaction, limits)).toBe(refusal);
  config['max.message.bytes'] = '2000';
  for (let partitions = 0; partitions < 2; partitions += 1) {
    expect(await explained(refusal, transaction, limits)).toMatchObject({
      code: 'TOPIC_UNFIT',
      recovery: 'retry',
    });
  }
  const other = new Error('other');
  expect(await explained(other, transaction, limits)).toBe(other);
});
