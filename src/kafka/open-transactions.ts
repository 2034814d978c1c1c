/**
 * Finds the open transactions of a partition and their transactional ids: the DescribeProducers and
 * ListTransactions requests (KIP-664), which KafkaJS does not have.
 */

import { requestTimeoutMs } from './client.ts';
import { type Cluster, errorOfCode, leaderOf, request } from './cluster.ts';
import type { TopicPartition } from './list-offsets.ts';
import { ByteReader, ByteWriter } from './protocol/bytes.ts';

export type OpenTransaction = {
  readonly producerId: bigint;
  /** Offset of the transaction's first record in this partition. */
  readonly startOffset: number;
  /** Undefined if no coordinator tells it. */
  readonly transactionalId: string | undefined;
};

const describeProducersApi = { key: 61, version: 0, name: 'DescribeProducers' };
const listTransactionsApi = { key: 66, version: 0, name: 'ListTransactions' };

/** The offset in the response of a producer without an open transaction. */
const none = -1;

/**
 * Needs READ on the topic, and DESCRIBE on the transactional ids.
 * @throws KafkaJS's error of the broker's error code
 */
export async function fetchOpenTransactions(
  cluster: Cluster,
  place: TopicPartition,
): Promise<readonly OpenTransaction[]> {
  const leader = await leaderOf(cluster, place.topic, place.partition);
  const body = await request(
    leader,
    describeProducersApi,
    (head) => encodeDescribeProducers(place, head),
    requestTimeoutMs,
  );
  const open = decodeProducers(body).filter(({ startOffset }) => startOffset !== none);
  const ids = await transactionalIdsOf(
    cluster,
    open.map(({ producerId }) => producerId),
  );
  return open.map((one) => ({ ...one, transactionalId: ids.get(one.producerId) }));
}

function encodeDescribeProducers({ topic, partition }: TopicPartition, head: number): Buffer {
  const length = Buffer.byteLength(topic);
  return new ByteWriter(1 + 1 + 2 + length + 1 + 4 + 1 + 1, head)
    .int8(0) // tagged fields of the header
    .unsignedVarint(2) // one topic
    .unsignedVarint(length + 1)
    .text(topic)
    .unsignedVarint(2) // one partition
    .int32(partition)
    .int8(0) // tagged fields of the topic
    .int8(0).buffer;
}

function decodeProducers(body: Buffer) {
  const reader = new ByteReader(body);
  reader.skipTags(); // of the header
  reader.int32(); // throttle
  const topics = reader.compactArray(() => {
    reader.compactString(); // topic
    const partitions = reader.compactArray(() => decodePartition(reader));
    reader.skipTags();
    return partitions.flat();
  });
  return topics.flat();
}

function decodePartition(reader: ByteReader) {
  reader.int32(); // partition
  const errorCode = reader.int16();
  if (errorCode !== 0) throw errorOfCode(errorCode);
  reader.compactString(); // message of the error
  const producers = reader.compactArray(() => {
    const producerId = reader.int64();
    reader.int32(); // epoch
    reader.int32(); // last sequence
    reader.int64(); // last timestamp
    reader.int32(); // epoch of the coordinator
    const startOffset = Number(reader.int64());
    reader.skipTags();
    return { producerId, startOffset };
  });
  reader.skipTags();
  return producers;
}

/** Asks every broker: a transaction is listed by its coordinator alone. */
async function transactionalIdsOf(
  cluster: Cluster,
  producerIds: readonly bigint[],
): Promise<ReadonlyMap<bigint, string>> {
  if (producerIds.length === 0) return new Map();
  const listed = await Promise.all(
    Object.keys(cluster.brokerPool.brokers).map(async (nodeId) => {
      const broker = await cluster.findBroker({ nodeId: Number(nodeId) });
      const encode = (head: number) => encodeListTransactions(producerIds, head);
      return decodeTransactions(
        await request(broker, listTransactionsApi, encode, requestTimeoutMs),
      );
    }),
  );
  return new Map(listed.flat());
}

function encodeListTransactions(producerIds: readonly bigint[], head: number): Buffer {
  const writer = new ByteWriter(1 + 1 + 5 + 8 * producerIds.length + 1, head)
    .int8(0) // tagged fields of the header
    .unsignedVarint(1) // any state
    .unsignedVarint(producerIds.length + 1);
  for (const id of producerIds) writer.int64(id);
  writer.int8(0);
  return writer.buffer.subarray(0, writer.position);
}

function decodeTransactions(body: Buffer): (readonly [bigint, string])[] {
  const reader = new ByteReader(body);
  reader.skipTags(); // of the header
  reader.int32(); // throttle
  const errorCode = reader.int16();
  if (errorCode !== 0) throw errorOfCode(errorCode);
  reader.compactArray(() => reader.compactString()); // unknown states
  return reader.compactArray(() => {
    const transactionalId = reader.compactString() ?? '';
    const producerId = reader.int64();
    reader.compactString(); // state
    reader.skipTags();
    return [producerId, transactionalId] as const;
  });
}
