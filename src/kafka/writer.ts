/** At-least-once writes to one topic, acknowledged by all in-sync replicas. Not idempotent on purpose: who reads it drops repeats anyway. */

import { AppError, messageOf } from '../errors.ts';
import { type Client, requestTimeoutMs } from './client.ts';
import { createCluster } from './cluster.ts';
import { asAppError, isRefusedForGood, isTimestampRefused } from './failure.ts';
import { Partitioners } from './kafkajs.ts';
import { partitionOf } from './protocol/murmur2.ts';
import type { WritableRecord } from './protocol/record-batch-writer.ts';
import { fetchTopicMetadata, type TopicMetadata } from './topic-metadata.ts';

export type KeyedRecord = WritableRecord & {
  readonly key: string | Buffer;
  /** Where it goes; by its key where absent. */
  readonly partition?: number;
};
export type Stored = { readonly partition: number; readonly offset: number };
/** `refused`: Kafka would refuse it again. `unavailable`: its partition has no leader now, while others have. */
export type NotStored = { readonly kind: 'refused' | 'unavailable'; readonly reason: string };

export type Writer = {
  /** Returns the result of each record, in order. @throws AppError; some records may be stored nevertheless */
  readonly write: (
    records: readonly KeyedRecord[],
    timeoutMs: number,
  ) => Promise<readonly (Stored | NotStored)[]>;
  /** Whether Kafka answers, and every partition of the topic has a leader. */
  readonly isReachable: () => Promise<boolean>;
  readonly close: () => Promise<void>;
};

/** @param onClockRefused called when Kafka refuses the time stamps of this host; the records are written without */
export async function openWriter(
  client: Client,
  topic: string,
  onClockRefused: () => void = () => {},
): Promise<Writer> {
  const producer = client.producer({
    allowAutoTopicCreation: false,
    createPartitioner: Partitioners.DefaultPartitioner,
    // Whoever waits for the answer gives up after seconds: a broker that is back must be seen soon. 20, 40 … 250 ms, about 6 s in all.
    retry: { maxRetryTime: 250, retries: 28 },
  });
  const cluster = createCluster(client);
  const look = async () => (await fetchTopicMetadata(cluster, [topic])).get(topic);
  try {
    await producer.connect();
    let known = await expectTopic(topic, look);
    const refresh = async () => {
      const found = await look();
      if (found === undefined) return undefined;
      // Another topic under the name has its own partitions. Those that are added to the same one are not used: keys would move away from the memory of them.
      const isSame = found.id === known.id;
      known = isSame ? { ...known, leaderless: found.leaderless } : found;
      return known;
    };
    const send = async (messages: readonly Message[], timeoutMs: number) => {
      try {
        const timeout = Math.min(timeoutMs, requestTimeoutMs);
        const sent = await producer.send({ topic, acks: -1, timeout, messages: messages as never });
        return positionsOf(messages, sent);
      } catch (error) {
        // The topic may have been made again, or partitions may have lost their leaders.
        void refresh().catch(() => undefined);
        throw asAppError(error, `write ${messages.length} records to ${topic}`);
      }
    };
    /** Kafka stores or refuses the records of a partition as a whole: on a refusal, send halves until only the refused records are left. */
    const sendSome = async (
      messages: readonly Message[],
      timeoutMs: number,
    ): Promise<readonly (Stored | NotStored)[]> => {
      try {
        return await send(messages, timeoutMs);
      } catch (error) {
        if (!isRefusedForGood(error)) throw error;
        if (
          isTimestampRefused(error) &&
          messages.some(({ timestamp }) => timestamp !== noTimestamp)
        ) {
          onClockRefused();
          const untimed = messages.map((message) => ({ ...message, timestamp: noTimestamp }));
          return sendSome(untimed, timeoutMs);
        }
        if (messages.length === 1) return [{ kind: 'refused', reason: messageOf(error) }];
        const half = Math.ceil(messages.length / 2);
        const first = await sendSome(messages.slice(0, half), timeoutMs);
        return [...first, ...(await sendSome(messages.slice(half), timeoutMs))];
      }
    };
    return {
      isReachable: async () => {
        const found = await refresh().catch(() => undefined);
        return found !== undefined && found.leaderless.length === 0;
      },
      write: async (records, timeoutMs) => {
        const { partitions, leaderless } = known;
        const messages = records.map(
          (record): Message => ({
            ...record,
            timestamp: notAhead(record.timestamp),
            partition: record.partition ?? partitionOf(record.key, partitions),
          }),
        );
        const isLed = ({ partition }: Message) => !leaderless.includes(partition);
        const led = leaderless.length === 0 ? messages : messages.filter(isLed);
        if (led.length === messages.length) return sendSome(messages, timeoutMs);
        void refresh().catch(() => undefined); // the next write knows if they have leaders again
        const sent = led.length === 0 ? [] : await sendSome(led, timeoutMs);
        const results = sent[Symbol.iterator]();
        return messages.map((message) =>
          isLed(message)
            ? (results.next().value as Stored | NotStored)
            : {
                kind: 'unavailable',
                reason: `partition ${message.partition} of ${topic} has no leader`,
              },
        );
      },
      close: async () => {
        await Promise.all([producer.disconnect(), cluster.disconnect()]);
      },
    };
  } catch (error) {
    await Promise.all([producer.disconnect(), cluster.disconnect()]).catch(() => undefined);
    throw asAppError(error, `connect a producer for ${topic}`);
  }
}

export function isNotStored(result: object): result is NotStored {
  return 'kind' in result;
}

/** Returns the results if every record was stored. @throws AppError KAFKA_REFUSED or BROKER_UNAVAILABLE */
export function expectStored(results: readonly (Stored | NotStored)[]): readonly Stored[] {
  return results.map((result) => {
    if (!isNotStored(result)) return result;
    throw result.kind === 'refused'
      ? new AppError('KAFKA_REFUSED', 'stop', result.reason)
      : new AppError('BROKER_UNAVAILABLE', 'retry', result.reason);
  });
}

type Message = KeyedRecord & { readonly partition: number };

async function expectTopic(
  topic: string,
  look: () => Promise<TopicMetadata | undefined>,
): Promise<TopicMetadata> {
  const found = await look();
  if (found) return found;
  const text = `${topic} does not exist: expected it. \`voucherbus setup\` makes it`;
  throw new AppError('BROKER_UNAVAILABLE', 'retry', text);
}

/** NO_TIMESTAMP: Kafka does not validate it. */
const noTimestamp = '-1';

/** Caps a time stamp at now. Kafka refuses time stamps that lie ahead (message.timestamp.after.max.ms), for example after the clock was set back. */
function notAhead(timestamp: string | undefined): string {
  const now = Date.now();
  return timestamp !== undefined && Number(timestamp) <= now ? timestamp : String(now);
}

/** A partition's records got consecutive offsets, in the order in which they were given. */
function positionsOf(
  messages: readonly { readonly partition: number }[],
  sent: readonly { readonly partition: number; readonly baseOffset?: string }[],
): readonly Stored[] {
  const next = new Map(sent.map(({ partition, baseOffset }) => [partition, Number(baseOffset)]));
  return messages.map(({ partition }) => {
    const offset = next.get(partition) ?? -1;
    next.set(partition, offset + 1);
    return { partition, offset };
  });
}
