/**
 * At-least-once writes to one topic, acknowledged by all in-sync replicas. Not idempotent on
 * purpose: the processor drops repeats anyway (docs/adr/0004).
 */

import type { Arena } from '../buffers/arena.ts';
import { AppError, messageOf } from '../errors.ts';
import { type Client, requestTimeoutMs } from './client.ts';
import { type Cluster, createCluster } from './cluster.ts';
import { asAppError, isRefusedForGood, isTimestampRefused } from './failure.ts';
import { Partitioners, type Producer } from './kafkajs.ts';
import { type Access, denial, permission } from './permissions.ts';
import { partitionOf } from './protocol/murmur2.ts';
import type { WritableRecord } from './protocol/record-batch-writer.ts';
import { fetchTopicMetadata, type TopicMetadata } from './topic-metadata.ts';

export type KeyedRecord = WritableRecord & {
  readonly key: string | Buffer;
  /** Default: the partition of the key. */
  readonly partition?: number;
};

export type Stored = {
  readonly kind: 'stored';
  readonly partition: number;
  readonly offset: number;
};

/**
 * `refused`: Kafka would refuse it again. `unavailable`: its partition has no leader now, while
 * others have.
 */
export type NotStored = { readonly kind: 'refused' | 'unavailable'; readonly reason: string };

export type WriteResult = Stored | NotStored;

type Message = KeyedRecord & { readonly partition: number };

/** NO_TIMESTAMP: Kafka does not validate it. */
const noTimestamp = '-1';

export class Writer {
  readonly #topic: string;
  readonly #producer: Producer;
  readonly #cluster: Cluster;
  readonly #access: Access;
  readonly #onClockRefused: () => void;
  #metadata: TopicMetadata | undefined;

  private constructor(client: Client, topic: string, onClockRefused: () => void) {
    this.#topic = topic;
    this.#onClockRefused = onClockRefused;
    this.#access = {
      principal: client.principal,
      needs: [permission('WRITE', 'topic', topic)],
    };
    this.#cluster = createCluster(client);
    this.#producer = client.producer({
      allowAutoTopicCreation: false,
      createPartitioner: Partitioners.DefaultPartitioner,
      // The caller gives up after seconds, so a broker that is back must be noticed soon: 20, 40 …
      // 250 ms, about 6 s in all.
      retry: { maxRetryTime: 250, retries: 28 },
    });
  }

  /**
   * Connects to the topic's cluster.
   * @param onClockRefused called when Kafka refuses this host's timestamps; the records are then
   * written without timestamps
   * @throws AppError
   */
  static async open(
    client: Client,
    topic: string,
    onClockRefused: () => void = () => {},
  ): Promise<Writer> {
    const writer = new Writer(client, topic, onClockRefused);
    try {
      await writer.#producer.connect();
      await writer.#refresh();
      if (writer.#metadata) return writer;
      const text = `${topic} does not exist: run \`voucherbus setup\` to create it`;
      throw new AppError('BROKER_UNAVAILABLE', 'retry', text);
    } catch (error) {
      await writer.close().catch(() => undefined);
      throw asAppError(error, `connect a producer for ${topic}`);
    }
  }

  /**
   * Returns the result of each record, in order.
   * @param arena holds the values of the records, and is released when the attempt has ended
   * @throws AppError; some records may be stored nevertheless
   */
  async write(
    records: readonly KeyedRecord[],
    timeoutMs: number,
    arena?: Arena,
  ): Promise<readonly WriteResult[]> {
    try {
      return await this.#write(records, timeoutMs);
    } finally {
      arena?.release();
    }
  }

  /**
   * Returns whether Kafka responds, every partition of the topic has a leader, and the topic may be
   * written.
   */
  async isReachable(): Promise<boolean> {
    const found = await this.#refresh().catch(() => undefined);
    return found !== undefined && found.leaderless.length === 0 && found.allowed.has('WRITE');
  }

  async close(): Promise<void> {
    await Promise.all([this.#producer.disconnect(), this.#cluster.disconnect()]);
  }

  async #write(
    records: readonly KeyedRecord[],
    timeoutMs: number,
  ): Promise<readonly WriteResult[]> {
    const { partitions = 1, leaderless = [] } = this.#metadata ?? {};
    const messages = records.map(
      (record): Message => ({
        ...record,
        timestamp: notAhead(record.timestamp),
        partition: record.partition ?? partitionOf(record.key, partitions),
      }),
    );
    if (leaderless.length === 0) return this.#sendHalving(messages, timeoutMs);
    const hasLeader = ({ partition }: Message) => !leaderless.includes(partition);
    // The next write knows whether they have leaders again.
    void this.#refresh().catch(() => undefined);
    const sendable = messages.filter(hasLeader);
    const sent = sendable.length === 0 ? [] : await this.#sendHalving(sendable, timeoutMs);
    const results = sent[Symbol.iterator]();
    return messages.map((message) => {
      if (hasLeader(message)) return results.next().value as WriteResult;
      const reason = `partition ${message.partition} of ${this.#topic} has no leader`;
      return { kind: 'unavailable', reason };
    });
  }

  /**
   * Kafka stores or refuses the records of a partition as a whole. On a refusal, sends halves until
   * only the refused records are left.
   */
  async #sendHalving(
    messages: readonly Message[],
    timeoutMs: number,
  ): Promise<readonly WriteResult[]> {
    try {
      return await this.#send(messages, timeoutMs);
    } catch (error) {
      if (!isRefusedForGood(error)) throw error;
      const hasTimestamps = messages.some(({ timestamp }) => timestamp !== noTimestamp);
      if (isTimestampRefused(error) && hasTimestamps) {
        this.#onClockRefused();
        const untimed = messages.map((message) => ({ ...message, timestamp: noTimestamp }));
        return this.#sendHalving(untimed, timeoutMs);
      }
      if (messages.length === 1) return [{ kind: 'refused', reason: messageOf(error) }];
      const half = Math.ceil(messages.length / 2);
      const first = await this.#sendHalving(messages.slice(0, half), timeoutMs);
      return [...first, ...(await this.#sendHalving(messages.slice(half), timeoutMs))];
    }
  }

  async #send(messages: readonly Message[], timeoutMs: number): Promise<readonly Stored[]> {
    try {
      const sent = await this.#producer.send({
        topic: this.#topic,
        acks: -1,
        timeout: Math.min(timeoutMs, requestTimeoutMs),
        messages: messages as never,
      });
      return positionsOf(messages, sent);
    } catch (error) {
      // The topic may have been recreated, or partitions may have lost their leaders.
      void this.#refresh().catch(() => undefined);
      throw asAppError(error, `write ${messages.length} records to ${this.#topic}`, this.#access);
    }
  }

  /**
   * Reads the metadata again. A recreated topic has its own number of partitions. Partitions added
   * to the same topic are not used: keys would move away from the partitions that remember their
   * ids.
   */
  async #refresh(): Promise<TopicMetadata | undefined> {
    const topics = await fetchTopicMetadata(this.#cluster, [this.#topic]);
    if (topics.hidden.length > 0) throw denial(this.#access);
    const found = topics.found.get(this.#topic);
    if (found === undefined) return undefined;
    const known = this.#metadata;
    const isSame = known?.id === found.id;
    this.#metadata = known && isSame ? { ...found, partitions: known.partitions } : found;
    return this.#metadata;
  }
}

/**
 * Returns the results if every record was stored.
 * @throws AppError KAFKA_REFUSED or BROKER_UNAVAILABLE
 */
export function expectStored(results: readonly WriteResult[]): readonly Stored[] {
  return results.map((result) => {
    if (result.kind === 'stored') return result;
    throw result.kind === 'refused'
      ? new AppError('KAFKA_REFUSED', 'stop', result.reason)
      : new AppError('BROKER_UNAVAILABLE', 'retry', result.reason);
  });
}

/**
 * Caps a timestamp at now. Kafka refuses timestamps that lie ahead
 * (message.timestamp.after.max.ms), for example after the clock was set back.
 */
function notAhead(timestamp: string | undefined): string {
  const now = Date.now();
  return timestamp !== undefined && Number(timestamp) <= now ? timestamp : String(now);
}

/**
 * Returns the position of each message. The broker gives a partition's messages consecutive
 * offsets, in their order.
 */
function positionsOf(
  messages: readonly { readonly partition: number }[],
  sent: readonly { readonly partition: number; readonly baseOffset?: string }[],
): readonly Stored[] {
  const next = new Map(sent.map(({ partition, baseOffset }) => [partition, Number(baseOffset)]));
  return messages.map(({ partition }) => {
    const offset = next.get(partition) ?? -1;
    next.set(partition, offset + 1);
    return { kind: 'stored', partition, offset };
  });
}
