/** Leases, the journal's restore, and the reader, on a real broker. */

import { expect, test } from 'vitest';
import { Decoder } from '../../src/avro/decoder.ts';
import { createEncoder } from '../../src/avro/encoder.ts';
import type { JournalRecord } from '../../src/avro/records.ts';
import { schemas } from '../../src/avro/schemas.ts';
import { digestOf } from '../../src/digest.ts';
import { messageOf } from '../../src/errors.ts';
import { noIdentity } from '../../src/journal/deployment-identity.ts';
import { restore } from '../../src/journal/restore.ts';
import { errorOfCode } from '../../src/kafka/cluster.ts';
import { recoveryOf } from '../../src/kafka/failure.ts';
import { type Transaction, TransactionalProducer } from '../../src/kafka/transactional-producer.ts';
import { Writer } from '../../src/kafka/writer.ts';
import { createLog } from '../../src/observability/log.ts';
import { createMetrics } from '../../src/observability/metrics.ts';
import { type LeaseContext, takeLease } from '../../src/processor/lease.ts';
import { transactionalIdOf } from '../../src/topics/catalog.ts';
import { aDeployment, type Deployment } from '../support/deployment.ts';

const windowMs = 60_000;

const batchOf = (from: number, to: number, processedAt = Date.now()): JournalRecord => ({
  from,
  to,
  receivedUntil: processedAt,
  processedAt,
  lastTimestamp: -1,
  identity: noIdentity,
  deployment: null,
  routesVersion: 'builtin',
  labels: ['t'],
  entries: Array.from({ length: to - from }, (_, i) => ({
    digest: digestOf(`pub_${from + i}`),
    offset: i,
    outcome: 'FORWARDED',
    label: 0,
  })),
});

const transactionOf = (
  { catalog, prefix, schemaId }: Deployment,
  batch: JournalRecord,
): Transaction => {
  const value = createEncoder<JournalRecord>(
    schemas.JournalRecord.type,
    schemaId(catalog.journal),
  )(batch);
  return {
    records: [
      {
        topic: catalog.journal,
        messages: [{ partition: 0, value, timestamp: String(batch.processedAt) }],
      },
    ],
    offsets: { group: prefix, topic: catalog.raw, partition: 0, offset: batch.to },
  };
};

const found = (group: string) => ({
  deployment: { group, partitions: 1, topicIds: {}, isAdopted: false },
  identity: noIdentity,
});

const restored = async (
  { reader, registry, catalog, admin, prefix }: Deployment,
  committed?: number,
) => {
  const offsets = await admin.committedOffsets(prefix, catalog.raw);
  return restore({
    reader,
    decoder: new Decoder<JournalRecord>(schemas.JournalRecord.type, registry),
    raw: catalog.raw,
    journal: catalog.journal,
    partition: 0,
    windowMs,
    nowMs: Date.now(),
    committed: committed ?? offsets.get(0),
    found: found(prefix),
    onProgress: async () => {},
  });
};

const fillRaw = async ({ client, catalog }: Deployment, count: number) => {
  const writer = await Writer.open(client, catalog.raw);
  await writer.write(
    Array.from({ length: count }, (_, i) => ({ key: `k${i}`, value: Buffer.from('x') })),
    10_000,
  );
  await writer.close();
};

test('taking a lease fences its earlier holder, whose next transaction changes nothing', async () => {
  await using deployment = await aDeployment(1);
  await fillRaw(deployment, 10);
  const first = await TransactionalProducer.open(deployment.client, deployment.prefix, 15_000);
  await first.commit(transactionOf(deployment, batchOf(0, 3)));
  const second = await TransactionalProducer.open(deployment.client, deployment.prefix, 15_000);
  const failure = await first
    .commit(transactionOf(deployment, batchOf(3, 9)))
    .catch((error: unknown) => error);
  expect(recoveryOf(failure)).toBe('give-up-lease');
  await second.commit(transactionOf(deployment, batchOf(3, 5)));
  expect((await deployment.journal()).map(({ event }) => [event.from, event.to])).toEqual([
    [0, 3],
    [3, 5],
  ]);
  expect(
    await deployment.admin.committedOffsets(deployment.prefix, deployment.catalog.raw),
  ).toEqual(new Map([[0, 5]]));
  await Promise.all([first.close(), second.close()]);
});

test('the records and the offset of a transaction are atomic: if one is refused, neither is visible', async () => {
  await using deployment = await aDeployment(1);
  const { client, prefix, catalog, admin } = deployment;
  await fillRaw(deployment, 10);
  const outcomes: unknown[] = [];
  const attempt = async (transaction: Transaction) => {
    const producer = await TransactionalProducer.open(client, prefix, 15_000);
    outcomes.push(await producer.commit(transaction).catch(messageOf));
    await producer.close();
  };
  await attempt(transactionOf(deployment, batchOf(0, 3)));
  const good = transactionOf(deployment, batchOf(3, 9));
  await attempt({ ...good, offsets: { ...good.offsets, group: '' } });
  const tooLarge = [{ partition: 0, value: Buffer.alloc(9 * 1024 * 1024) }];
  await attempt({ ...good, records: [{ topic: catalog.journal, messages: tooLarge }] });
  await attempt(transactionOf(deployment, batchOf(3, 5)));
  expect(outcomes).toEqual([
    undefined,
    expect.stringMatching('consumerGroupId'),
    expect.stringMatching('larger than the max message size'),
    undefined,
  ]);
  expect((await deployment.journal()).map(({ event }) => [event.from, event.to])).toEqual([
    [0, 3],
    [3, 5],
  ]);
  expect(await admin.committedOffsets(prefix, catalog.raw)).toEqual(new Map([[0, 5]]));
});

const leaseContext = ({
  client,
  admin,
  reader,
  registry,
  catalog,
  prefix,
}: Deployment): LeaseContext => ({
  client,
  admin,
  reader,
  decoder: new Decoder<JournalRecord>(schemas.JournalRecord.type, registry),
  catalog,
  group: prefix,
  deployment: { current: found(prefix), verify: async () => {} },
  transactionTimeoutMs: 15_000,
  log: createLog('silent', 'test'),
  metrics: createMetrics({ version: 'test' }),
});

test('a processor that the group has removed takes no lease, and fences no other', async () => {
  await using deployment = await aDeployment(1);
  await fillRaw(deployment, 10);
  const owner = await TransactionalProducer.open(
    deployment.client,
    transactionalIdOf(deployment.catalog, 0),
    15_000,
  );
  const unknownMember = errorOfCode(25);
  const heartbeat = () => Promise.reject(unknownMember);
  await expect(takeLease(0, 'assigned', heartbeat, leaseContext(deployment))).rejects.toBe(
    unknownMember,
  );
  await owner.commit(transactionOf(deployment, batchOf(0, 3)));
  await owner.close();
});

test('the position is read when the earlier owner can no longer change it', async () => {
  await using deployment = await aDeployment(1);
  await fillRaw(deployment, 10);
  const owner = await TransactionalProducer.open(
    deployment.client,
    transactionalIdOf(deployment.catalog, 0),
    15_000,
  );
  await owner.commit(transactionOf(deployment, batchOf(0, 3)));
  const context = leaseContext(deployment);
  let late: unknown;
  const admin = {
    committedOffsets: async (group: string, topic: string) => {
      const offsets = await context.admin.committedOffsets(group, topic);
      late = await owner.commit(transactionOf(deployment, batchOf(3, 9))).catch((error) => error);
      return offsets;
    },
  };
  const lease = await takeLease(0, 'assigned', async () => {}, { ...context, admin });
  expect(recoveryOf(late)).toBe('give-up-lease');
  const offsets = await context.admin.committedOffsets(deployment.prefix, deployment.catalog.raw);
  expect([lease.state.position, offsets.get(0)]).toEqual([3, 3]);
  await Promise.all([owner.close(), lease.producer.close()]);
});

test('a transaction left open by a dead owner is ended by the next lease, and its records are never visible', async () => {
  await using deployment = await aDeployment(1);
  await fillRaw(deployment, 10);
  const dead = await TransactionalProducer.open(deployment.client, deployment.prefix, 60_000);
  await dead.commit(transactionOf(deployment, batchOf(0, 2)));
  // KafkaJS's own producer under the same id, stopped between the send and the commit.
  const halfway = deployment.client.producer({
    transactionalId: deployment.prefix,
    transactionTimeout: 60_000,
    maxInFlightRequests: 1,
  });
  await halfway.connect();
  const open = await halfway.transaction();
  const [records] = transactionOf(deployment, batchOf(2, 8)).records;
  await open.send({ topic: deployment.catalog.journal, messages: records?.messages as never });
  const next = await TransactionalProducer.open(deployment.client, deployment.prefix, 15_000);
  await next.commit(transactionOf(deployment, batchOf(2, 4)));
  expect((await deployment.journal()).map(({ event }) => [event.from, event.to])).toEqual([
    [0, 2],
    [2, 4],
  ]);
  const { state } = await restored(deployment);
  expect([state.position, state.size]).toEqual([4, 4]);
  await Promise.all([dead.close(), halfway.disconnect(), next.close()]);
});

test('a restore recovers the position and the ids, and reads at most two windows', async () => {
  await using deployment = await aDeployment(1);
  await fillRaw(deployment, 10);
  const producer = await TransactionalProducer.open(deployment.client, deployment.prefix, 15_000);
  const old = Date.now() - 3 * windowMs;
  await producer.commit(transactionOf(deployment, batchOf(0, 2, old)));
  await producer.commit(transactionOf(deployment, batchOf(2, 6)));
  const { state, lostRecords } = await restored(deployment);
  expect([state.position, state.size, lostRecords]).toEqual([6, 4, 0]);
  expect(state.hasSeen(digestOf('pub_0'))).toBe(false);
  expect(state.hasSeen(digestOf('pub_5'))).toBe(true);
  expect(state.isOlderThanWindow(0, Date.now())).toBe(true);
  await producer.close();
});

test('a group offset that differs from the journal prevents the start, and the error has both numbers', async () => {
  await using deployment = await aDeployment(1);
  await fillRaw(deployment, 10);
  const producer = await TransactionalProducer.open(deployment.client, deployment.prefix, 15_000);
  await producer.commit(transactionOf(deployment, batchOf(0, 4)));
  await expect(restored(deployment, 7)).rejects.toThrow(
    "committed offset is 7, the journal's position is 4",
  );
  await producer.close();
});

test('raw records that retention deleted before they were processed are counted', async () => {
  await using deployment = await aDeployment(1);
  await fillRaw(deployment, 10);
  const producer = await TransactionalProducer.open(deployment.client, deployment.prefix, 15_000);
  await producer.commit(transactionOf(deployment, batchOf(0, 2)));
  await producer.close();
  const kafka = deployment.client.admin();
  await kafka.connect();
  await kafka.fetchTopicOffsets(deployment.catalog.raw); // its metadata, which the next call needs
  await kafka.deleteTopicRecords({
    topic: deployment.catalog.raw,
    partitions: [{ partition: 0, offset: '7' }],
  });
  await kafka.disconnect();
  expect(await restored(deployment)).toMatchObject({ lostRecords: 5 });
});

test('a log that was truncated and written again is recognised by the record before the position', async () => {
  await using deployment = await aDeployment(1);
  await fillRaw(deployment, 10);
  const raw = await deployment.readAll(deployment.catalog.raw);
  const producer = await TransactionalProducer.open(deployment.client, deployment.prefix, 15_000);
  const processed = { ...batchOf(0, 4), lastTimestamp: raw[3]?.timestampMs ?? 0 };
  await producer.commit(transactionOf(deployment, processed));
  expect((await restored(deployment)).state.position).toBe(4);
  await producer.commit(transactionOf(deployment, { ...batchOf(4, 6), lastTimestamp: 1 }));
  await expect(restored(deployment)).rejects.toThrow('the log was truncated');
  await producer.commit(transactionOf(deployment, { ...batchOf(6, 14), lastTimestamp: 1 }));
  await expect(restored(deployment)).rejects.toThrow('the log was truncated');
  await producer.close();
});
