/** A transactional producer that holds one transactional id, and commits one transaction at a time. Its producer epoch is a lease. */

import { AppError } from '../errors.ts';
import { type Client, requestTimeoutMs } from './client.ts';
import { asAppError } from './failure.ts';
import { Partitioners, type Producer } from './kafkajs.ts';
import type { WritableRecord } from './protocol/record-batch-writer.ts';

export type OutputRecord = WritableRecord & { readonly partition: number };

export type Transaction = {
  readonly records: readonly { readonly topic: string; readonly messages: OutputRecord[] }[];
  /** The consumer group's next input offset, committed with the records. */
  readonly offsets: {
    readonly group: string;
    readonly topic: string;
    readonly partition: number;
    readonly offset: number;
  };
};

export type TransactionalProducer = {
  /**
   * Writes everything or nothing. After any error the outcome is unknown and this producer is of no further use: close it, and begin a
   * new one before reading any state.
   */
  readonly commit: (transaction: Transaction) => Promise<void>;
  /** Never throws: the producer is given up either way. */
  readonly close: () => Promise<void>;
};

/**
 * Takes the transactional id: fences every earlier owner, and answers when the earlier owner's open transaction has ended.
 * `connect()` alone does not do this in KafkaJS: only the first transaction sends InitProducerId, so an empty one is begun and aborted.
 */
export async function openTransactional(
  client: Client,
  transactionalId: string,
  timeoutMs: number,
): Promise<TransactionalProducer> {
  const producer = client.producer({
    transactionalId,
    transactionTimeout: timeoutMs,
    maxInFlightRequests: 5,
    allowAutoTopicCreation: false,
    createPartitioner: Partitioners.DefaultPartitioner,
  });
  const close = () => producer.disconnect().catch(() => undefined);
  try {
    await producer.connect();
    await (await producer.transaction()).abort();
  } catch (error) {
    await close();
    throw asAppError(error, `take the transactional id ${transactionalId}`);
  }
  return { commit: (transaction) => commit(producer, transaction), close };
}

/**
 * The records and the offset know nothing of each other until the commit, so they are sent side by side: three round trips in place of five.
 * (The coordinator takes the requests of one connection one after the other: neither AddPartitionsToTxn nor AddOffsetsToTxn finds the other under way.)
 */
async function commit(producer: Producer, { records, offsets }: Transaction): Promise<void> {
  const { group, topic, partition, offset } = offsets;
  const transaction = await producer.transaction();
  const sent = await Promise.allSettled([
    transaction.sendBatch({
      topicMessages: records.map(asTopicMessages),
      timeout: requestTimeoutMs,
    }),
    transaction.sendOffsets({
      consumerGroupId: group,
      topics: [{ topic, partitions: [{ partition, offset: String(offset) }] }],
    }),
  ]);
  // Both have ended: nothing is still trying when the producer is closed.
  for (const one of sent) if (one.status === 'rejected') throw one.reason;
  await transaction.commit();
}

type TopicMessages = Parameters<Producer['sendBatch']>[0]['topicMessages'] extends
  | (infer T)[]
  | undefined
  ? T
  : never;

/** The same object: KafkaJS's type only forbids the readonly lists of header values. */
function asTopicMessages(records: Transaction['records'][number]): TopicMessages {
  if (records.messages.length === 0) {
    throw new AppError('ASSUMPTION_BROKEN', 'stop', `no records for ${records.topic} in a send`);
  }
  return records as unknown as TopicMessages;
}
