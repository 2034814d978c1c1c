/** What the topics take in one record batch, and whether a transaction keeps to it: brokers refuse the whole produce request otherwise. */

import { AppError } from '../errors.ts';
import type { Admin } from '../kafka/admin.ts';
import { isTooLarge } from '../kafka/failure.ts';
import { recordBatchSize } from '../kafka/protocol/record-batch-writer.ts';
import type { OutputRecord, Transaction } from '../kafka/transactional-producer.ts';

export type TopicLimits = {
  /** Bytes of the largest record batch that the topic takes, as last read. */
  readonly of: (topic: string) => number;
  /** Reads them again. */
  readonly refresh: () => Promise<void>;
};

export type Excess = { readonly topic: string; readonly bytes: number; readonly limit: number };

/** @throws AppError, where Kafka can not be asked */
export async function readTopicLimits(
  admin: Pick<Admin, 'describe'>,
  topics: () => readonly string[],
): Promise<TopicLimits> {
  const limits = new Map<string, number>();
  const of = (topic: string) => limits.get(topic) ?? Number.POSITIVE_INFINITY;
  const refresh = async () => {
    for (const [topic, { config }] of await admin.describe(topics())) {
      // A batch must fit into a segment too.
      limits.set(
        topic,
        Math.min(Number(config['max.message.bytes']), Number(config['segment.bytes'])),
      );
    }
  };
  await refresh();
  return { of, refresh };
}

/** The first batch of the transaction that its topic would refuse. */
export function excessOf(
  { records }: Transaction,
  limits: TopicLimits,
  nowMs: number,
): Excess | undefined {
  for (const { topic, messages } of records) {
    const limit = limits.of(topic);
    if (mostBytesOf(messages) <= limit) continue;
    const bytes = recordBatchSize(messages, nowMs);
    if (bytes > limit) return { topic, bytes, limit };
  }
  return undefined;
}

export function textOf({ topic, bytes, limit }: Excess): string {
  return `a record batch of ${bytes} bytes for ${topic}: expected at most ${limit} (its max.message.bytes or segment.bytes)`;
}

/**
 * What a refusal means. Where a topic takes less than before (an operator made its limit smaller), the next attempt keeps to it, and nothing
 * need stop; any other error stays as it is.
 */
export async function explained(
  error: unknown,
  transaction: Transaction,
  limits: TopicLimits,
): Promise<unknown> {
  if (!isTooLarge(error)) return error;
  await limits.refresh();
  const excess = excessOf(transaction, limits, Date.now());
  return excess ? new AppError('TOPIC_UNFIT', 'retry', textOf(excess), error) : error;
}

/** More than headers, key and framing of a record of ours take, the header values of a stranger's raw record not counted. */
const framing = 4_096;

/** Quick, and never too little but for a dead letter with more than that in its headers: then the broker refuses it, as before. */
function mostBytesOf(messages: readonly OutputRecord[]): number {
  let bytes = framing;
  for (const { value } of messages) bytes += framing + (value?.length ?? 0);
  return bytes;
}
