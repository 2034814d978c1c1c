/**
 * A transactional producer that holds one transactional id and commits one transaction at a time.
 * Its producer epoch is a lease.
 */

import type { Arena } from '../buffers/arena.ts';
import { AppError, messageOf } from '../errors.ts';
import { type Client, requestTimeoutMs } from './client.ts';
import { createCluster } from './cluster.ts';
import { asAppError, isDenied } from './failure.ts';
import { Partitioners, type Producer } from './kafkajs.ts';
import { isCoordinatorUnavailable } from './kafkajs-patches/internals.ts';
import { permission } from './permissions.ts';
import type { WritableRecord } from './protocol/record-batch-writer.ts';
import { fetchTopicMetadata } from './topic-metadata.ts';

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
  /** Holds the values of the records. `commit` releases it when the broker has them. */
  readonly arena?: Arena;
};

export class TransactionalProducer {
  readonly #producer: Producer;

  readonly #client: Client;
  readonly #transactionalId: string;

  private constructor(client: Client, producer: Producer, transactionalId: string) {
    this.#client = client;
    this.#producer = producer;
    this.#transactionalId = transactionalId;
  }

  /**
   * Takes the transactional id: fences every earlier owner, and returns when the earlier owner's
   * open transaction has ended. KafkaJS's `connect()` alone does not do this. Only the first
   * transaction sends InitProducerId, so an empty one is begun and aborted.
   * @throws AppError
   */
  static async open(
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
    const opened = new TransactionalProducer(client, producer, transactionalId);
    try {
      await producer.connect();
      await (await producer.transaction()).abort();
      return opened;
    } catch (error) {
      await opened.close();
      if (isCoordinatorUnavailable(error)) throw withoutCoordinator(transactionalId, error);
      throw asAppError(error, `take the transactional id ${transactionalId}`, {
        principal: client.principal,
        needs: [permission('WRITE', 'transactional id', transactionalId)],
      });
    }
  }

  /**
   * Writes everything or nothing. The records and the offset do not depend on each other before the
   * commit, so they are sent in parallel: three round trips instead of five. (The coordinator
   * handles the requests of one connection in order, so AddPartitionsToTxn and AddOffsetsToTxn do
   * not conflict.)
   * @throws after any error the outcome is unknown: close this producer, and open a new one before
   * reading any state
   */
  async commit(transaction: Transaction): Promise<void> {
    try {
      await this.#commit(transaction);
    } catch (error) {
      throw isDenied(error) ? await this.#denialOf(error, transaction) : error;
    }
  }

  async #commit({ records, offsets, arena }: Transaction): Promise<void> {
    const { group, topic, partition, offset } = offsets;
    const transaction = await this.#producer.transaction();
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
    // Both have settled, so nothing is still being retried when the producer is closed.
    for (const one of sent) if (one.status === 'rejected') throw one.reason;
    await transaction.commit();
    arena?.release();
  }

  /** KafkaJS does not tell which of the topics Kafka refused: their metadata do. */
  async #denialOf(error: unknown, { records, offsets }: Transaction): Promise<AppError> {
    const { principal } = this.#client;
    const topics = [...new Set(records.map(({ topic }) => topic))];
    const cluster = createCluster(this.#client);
    try {
      const { found } = await fetchTopicMetadata(cluster, topics);
      const denied = topics.filter((topic) => !found.get(topic)?.allowed.has('WRITE'));
      return asAppError(error, 'commit', {
        principal,
        needs: [
          ...(denied.length > 0 ? denied : topics).map((topic) =>
            permission('WRITE', 'topic', topic),
          ),
          permission('READ', 'group', offsets.group),
          permission('WRITE', 'transactional id', this.#transactionalId),
        ],
      });
    } catch (failure) {
      return asAppError(failure, `find out what Kafka refused (${messageOf(error)})`);
    } finally {
      await cluster.disconnect().catch(() => undefined);
    }
  }

  /** Never throws: the producer is given up either way. */
  async close(): Promise<void> {
    await this.#producer.disconnect().catch(() => undefined);
  }
}

function withoutCoordinator(transactionalId: string, cause: unknown): AppError {
  const text = `Kafka has no coordinator for the transactional id ${transactionalId} (${messageOf(cause)}): if this lasts, check the topic __transaction_state, which needs as many brokers as transaction.state.log.replication.factor says`;
  return new AppError('BROKER_UNAVAILABLE', 'retry', text, cause);
}

type TopicMessages = Parameters<Producer['sendBatch']>[0]['topicMessages'] extends
  | (infer T)[]
  | undefined
  ? T
  : never;

/** Returns the same object: KafkaJS's type only forbids the readonly lists of header values. */
function asTopicMessages(records: Transaction['records'][number]): TopicMessages {
  if (records.messages.length === 0) {
    throw new AppError('ASSUMPTION_BROKEN', 'stop', `no records for ${records.topic} in a send`);
  }
  return records as unknown as TopicMessages;
}
