/** At-least-once writes to one topic, acknowledged by all in-sync replicas. Not idempotent on purpose: who reads it drops repeats anyway. */

import { type Client, requestTimeoutMs } from './client.ts';
import type { WritableRecord } from './encode-batch.ts';
import { asAppError } from './failure.ts';
import { Partitioners } from './kafkajs.ts';
import { partitionOf } from './partition-of.ts';

export type KeyedRecord = WritableRecord & {
  readonly key: string | Buffer;
  /** Where it goes; by its key where absent. */
  readonly partition?: number;
};
export type Stored = { readonly partition: number; readonly offset: number };

export type Writer = {
  /** Answers where each record was stored, in order. @throws AppError; some of the records may be stored all the same */
  readonly write: (
    records: readonly KeyedRecord[],
    timeoutMs: number,
  ) => Promise<readonly Stored[]>;
  readonly close: () => Promise<void>;
};

export async function openWriter(client: Client, topic: string): Promise<Writer> {
  const producer = client.producer({
    allowAutoTopicCreation: false,
    createPartitioner: Partitioners.DefaultPartitioner,
    // Whoever waits for the answer gives up after seconds: a broker that is back must be seen soon. 20, 40 … 250 ms, about 6 s in all.
    retry: { maxRetryTime: 250, retries: 28 },
  });
  const admin = client.admin();
  try {
    await Promise.all([producer.connect(), admin.connect()]);
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
    const partitions = topics[0]?.partitions.length ?? 0;
    return {
      write: async (records, timeoutMs) => {
        const messages = records.map(({ key, value, headers, timestamp, partition }) => ({
          key,
          value,
          headers,
          timestamp,
          partition: partition ?? partitionOf(key, partitions),
        }));
        try {
          const sent = await producer.send({
            topic,
            acks: -1,
            timeout: Math.min(timeoutMs, requestTimeoutMs),
            messages: messages as never,
          });
          return placesOf(messages, sent);
        } catch (error) {
          throw asAppError(error, `write ${records.length} records to ${topic}`);
        }
      },
      close: () => producer.disconnect(),
    };
  } catch (error) {
    await producer.disconnect().catch(() => undefined);
    throw asAppError(error, `connect a producer for ${topic}`);
  } finally {
    await admin.disconnect().catch(() => undefined);
  }
}

/** A partition's records got consecutive offsets, in the order in which they were given. */
function placesOf(
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
