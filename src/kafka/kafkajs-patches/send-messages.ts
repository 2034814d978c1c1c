/**
 * Replaces `producer/sendMessages`. Each record's partition is chosen once, one AddPartitionsToTxn
 * names all partitions, each partition's own acknowledgement is checked, and only unacknowledged
 * batches are sent again, with the same sequence numbers, so that the broker drops what it already
 * has.
 */

import { type Broker, type Cluster, errorOfCode, leaderIdOf, request } from '../cluster.ts';
import { ByteReader, ByteWriter, stringSize } from '../protocol/bytes.ts';
import { planRecordBatch, type WritableRecord } from '../protocol/record-batch-writer.ts';
import { type KafkaError, removeClosedBroker } from './internals.ts';

type Partitioner = (choice: {
  topic: string;
  partitionMetadata: readonly object[];
  message: WritableRecord;
}) => number;

type EosManager = {
  isTransactional(): boolean;
  isInitialized(): boolean;
  getTransactionalId(): string;
  getProducerId(): unknown;
  getProducerEpoch(): number;
  getSequence(topic: string, partition: number): number;
  updateSequence(topic: string, partition: number, by: number): void;
  addPartitionsToTransaction(
    topics: readonly { topic: string; partitions: readonly { partition: number }[] }[],
  ): Promise<void>;
  acquireBrokerLock(broker: Broker): Promise<void>;
  releaseBrokerLock(broker: Broker): Promise<void>;
};

type Retrier = <T>(run: (bail: (error: unknown) => void) => Promise<T>) => Promise<T>;

type Context = {
  readonly cluster: Cluster;
  readonly partitioner: Partitioner;
  readonly eosManager: EosManager;
  readonly retrier: Retrier;
};

type Message = WritableRecord & { readonly partition?: number | null };

type SendOptions = {
  readonly acks: number;
  readonly timeout?: number;
  readonly topicMessages: readonly { topic: string; messages: readonly Message[] }[];
};

/** The records of one send for one partition. */
type PartitionBatch = {
  readonly topic: string;
  readonly partition: number;
  readonly records: Message[];
  /** Set at the first attempt and kept, so that the broker recognises a repeat. */
  sequence: number | undefined;
};

type Acknowledged = {
  readonly topicName: string;
  readonly partition: number;
  readonly errorCode: number;
  /** Offset of the batch's first record; -1 if the broker had the batch already. */
  readonly baseOffset: string;
};

const duplicateSequence = 46;
const produceApi = { key: 0, version: 7, name: 'Produce' };
const defaultTimeoutMs = 30_000;

export function createSendMessages(context: Context) {
  return async (options: SendOptions): Promise<readonly Acknowledged[]> => {
    const acknowledged: Acknowledged[] = [];
    let batches: readonly PartitionBatch[] | undefined;
    return context.retrier(async (bail) => {
      try {
        batches ??= await plan(context, options);
        const pending = unacknowledged(batches, acknowledged);
        const failures = await sendPending(context, options, pending, acknowledged);
        if (acknowledged.length === batches.length) return acknowledged;
        throw failures.find((failure) => !isRetriable(failure)) ?? failures[0];
      } catch (error) {
        await recover(context.cluster, error, bail);
        throw error;
      }
    });
  };
}

/** Returns the batches that are not acknowledged. */
function unacknowledged(
  batches: readonly PartitionBatch[],
  acknowledged: readonly Acknowledged[],
): readonly PartitionBatch[] {
  if (acknowledged.length === 0) return batches;
  const done = new Set(acknowledged.map(({ topicName, partition }) => `${topicName} ${partition}`));
  return batches.filter(({ topic, partition }) => !done.has(`${topic} ${partition}`));
}

/** Chooses each record's partition, once. */
async function plan(
  context: Context,
  { topicMessages }: SendOptions,
): Promise<readonly PartitionBatch[]> {
  const { cluster, partitioner } = context;
  const topics = topicMessages.map(({ topic }) => topic);
  try {
    await cluster.addMultipleTargetTopics(topics);
    await cluster.refreshMetadataIfNecessary();
  } catch (error) {
    // Kafka's response names no topic. The reader of the log should not have to guess.
    if (error instanceof Error && !error.message.includes(topics[0] ?? '')) {
      error.message = `${error.message} (asked for ${topics.join(', ')})`;
    }
    throw error;
  }
  const planned = new Map<string, Map<number, PartitionBatch>>();
  for (const { topic, messages } of topicMessages) {
    const partitionMetadata = cluster.findTopicPartitionMetadata(topic);
    if (partitionMetadata.length === 0) throw errorOfCode(3); // UNKNOWN_TOPIC_OR_PARTITION
    const batches = planned.get(topic) ?? new Map<number, PartitionBatch>();
    planned.set(topic, batches);
    for (const message of messages) {
      const partition = Number(
        message.partition ?? partitioner({ topic, partitionMetadata, message }),
      );
      const batch = batches.get(partition);
      if (batch) batch.records.push(message);
      else batches.set(partition, { topic, partition, records: [message], sequence: undefined });
    }
  }
  return [...planned.values()].flatMap((batches) => [...batches.values()]);
}

/** Sends all pending batches once: one request per leader, in parallel. Returns the failures. */
async function sendPending(
  { cluster, eosManager }: Context,
  options: SendOptions,
  pending: readonly PartitionBatch[],
  acknowledged: Acknowledged[],
): Promise<readonly unknown[]> {
  await cluster.refreshMetadataIfNecessary();
  if (eosManager.isTransactional()) {
    await eosManager.addPartitionsToTransaction(
      [...byTopic(pending)].map(([topic, batches]) => ({ topic, partitions: batches })),
    );
  }
  const failures: unknown[] = [];
  const byLeader = new Map<number, PartitionBatch[]>();
  for (const batch of pending) {
    try {
      const nodeId = leaderIdOf(cluster, batch.topic, batch.partition);
      const batches = byLeader.get(nodeId);
      if (batches) batches.push(batch);
      else byLeader.set(nodeId, [batch]);
    } catch (error) {
      failures.push(error);
    }
  }
  await Promise.all(
    [...byLeader].map(async ([nodeId, batches]) => {
      try {
        const leader = await cluster.findBroker({ nodeId });
        for (const one of await produce(eosManager, leader, batches, options)) {
          if (one.errorCode === 0 || one.errorCode === duplicateSequence) acknowledged.push(one);
          else failures.push(errorOfCode(one.errorCode));
        }
      } catch (error) {
        failures.push(error);
      }
    }),
  );
  return failures;
}

function byTopic(batches: readonly PartitionBatch[]): Map<string, PartitionBatch[]> {
  return Map.groupBy(batches, ({ topic }) => topic);
}

/**
 * Sends one Produce request. The lock allows an idempotent producer one request in flight per
 * broker, so that sequences arrive in order.
 */
async function produce(
  eosManager: EosManager,
  leader: Broker,
  batches: readonly PartitionBatch[],
  options: SendOptions,
): Promise<readonly Acknowledged[]> {
  await eosManager.acquireBrokerLock(leader);
  try {
    for (const batch of batches) {
      if (batch.sequence !== undefined || !eosManager.isInitialized()) continue;
      batch.sequence = eosManager.getSequence(batch.topic, batch.partition);
      eosManager.updateSequence(batch.topic, batch.partition, batch.records.length);
    }
    const encode = (head: number) => encodeRequest(eosManager, batches, options, head);
    const timeoutMs = options.timeout ?? defaultTimeoutMs;
    return decodeResponse(await request(leader, produceApi, encode, timeoutMs));
  } finally {
    await eosManager.releaseBrokerLock(leader);
  }
}

function encodeRequest(
  eosManager: EosManager,
  batches: readonly PartitionBatch[],
  options: SendOptions,
  head: number,
): Buffer {
  const isIdempotent = eosManager.isInitialized();
  const transactionalId = eosManager.isTransactional() ? eosManager.getTransactionalId() : null;
  const nowMs = Date.now();
  const topics = [...byTopic(batches)].map(([topic, list]) => ({
    topic,
    partitions: list.map(({ partition, records, sequence }) => ({
      partition,
      batch: planRecordBatch(records, {
        producerId: isIdempotent ? BigInt(String(eosManager.getProducerId())) : -1n,
        producerEpoch: isIdempotent ? eosManager.getProducerEpoch() : -1,
        firstSequence: sequence ?? -1,
        isTransactional: transactionalId !== null,
        nowMs,
      }),
    })),
  }));
  let size = stringSize(transactionalId) + 2 + 4 + 4;
  for (const { topic, partitions } of topics) {
    size += stringSize(topic) + 4;
    for (const { batch } of partitions) size += 8 + batch.size;
  }
  const out = new ByteWriter(size, head);
  out
    .string(transactionalId)
    .int16(options.acks)
    .int32(options.timeout ?? defaultTimeoutMs);
  out.int32(topics.length);
  for (const { topic, partitions } of topics) {
    out.string(topic).int32(partitions.length);
    for (const { partition, batch } of partitions) {
      out.int32(partition).int32(batch.size);
      batch.writeTo(out);
    }
  }
  return out.buffer;
}

function decodeResponse(body: Buffer): readonly Acknowledged[] {
  const reader = new ByteReader(body);
  return reader
    .array(() => {
      const topicName = reader.string();
      return reader.array(() => {
        const partition = reader.int32();
        const errorCode = reader.int16();
        const baseOffset = String(reader.int64());
        reader.position += 16; // log append time, log start offset
        return { topicName, partition, errorCode, baseOffset };
      });
    })
    .flat();
}

function isRetriable(error: unknown): boolean {
  return (error as KafkaError).retriable !== false;
}

/** Refreshes the metadata for the next attempt, or ends the attempts. */
async function recover(cluster: Cluster, error: unknown, bail: (error: unknown) => void) {
  removeClosedBroker(cluster, error);
  if (!isRetriable(error)) return bail(error);
  try {
    if (!cluster.isConnected()) await cluster.connect();
    await cluster.refreshMetadata();
  } catch {
    // The cluster cannot be reached: the next attempt fails in the same way, and is counted.
  }
}
