import { expect, test } from 'vitest';
import { errorOfCode } from '../../../src/kafka/cluster.ts';
import type { OutputRecord } from '../../../src/kafka/transactional-producer.ts';
import { TopicLimits } from '../../../src/processor/topic-limits.ts';
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

const limitOf = (bytes: number) =>
  topics({ 'max.message.bytes': String(bytes), 'segment.bytes': '99999999' });

test('a batch may have as many bytes as the limit, and not one more', async () => {
  const exact = await TopicLimits.read(limitOf(size), () => ['t']);
  expect(exact.excessOf(transaction, 5)).toBeUndefined();
  const less = await TopicLimits.read(limitOf(size - 1), () => ['t']);
  expect(less.excessOf(transaction, 5)).toEqual({ topic: 't', bytes: size, limit: size - 1 });
});

test('a batch must also fit into a segment', async () => {
  const config = { 'max.message.bytes': '99999999', 'segment.bytes': String(size - 1) };
  const limits = await TopicLimits.read(topics(config), () => ['t']);
  expect(limits.excessOf(transaction, 5)).toMatchObject({ limit: size - 1 });
});

test('a topic without a known limit takes every batch', async () => {
  const limits = await TopicLimits.read(limitOf(10), () => ['t']);
  const elsewhere = { ...transaction, records: [{ topic: 'unknown', messages: records }] };
  expect(limits.excessOf(elsewhere, 5)).toBeUndefined();
});

test('a refusal is retriable where the topic now takes less, for every partition that meets it', async () => {
  const config = { 'max.message.bytes': '1000000', 'segment.bytes': '5000000' };
  const limits = await TopicLimits.read(topics(config), () => ['t']);
  const refusal = errorOfCode(10);
  // Nothing has changed: the broker refuses what it should take, and an operator must look.
  expect(await limits.explain(refusal, transaction)).toBe(refusal);
  config['max.message.bytes'] = '2000';
  for (let partitions = 0; partitions < 2; partitions += 1) {
    expect(await limits.explain(refusal, transaction)).toMatchObject({
      code: 'TOPIC_UNFIT',
      recovery: 'retry',
    });
  }
  const other = new Error('other');
  expect(await limits.explain(other, transaction)).toBe(other);
});
