/** What the topics take in one record batch, and whether a transaction keeps to it: brokers refuse the whole produce request otherwise. */

import type { Admin } from '../kafka/admin.ts';
import { recordBatchSize } from '../kafka/encode-batch.ts';
import type { OutputRecord, Transaction } from '../kafka/transactional.ts';

export type TopicLimits = {
  /** Bytes of the largest record batch that the topic takes, as last read. */
  readonly of: (topic: string) => number;
  /** Reads them again. Answers whether one has become smaller. */
  readonly refresh: () => Promise<boolean>;
};

export type Excess = { readonly topic: string; readonly bytes: number; readonly limit: number };

/** @throws AppError, where Kafka can not be asked */
export async function readTopicLimits(
  admin: Pick<Admin, 'describe'>,
  topics: readonly string[],
): Promise<TopicLimits> {
  const limits = new Map<string, number>();
  const of = (topic: string) => limits.get(topic) ?? Number.POSITIVE_INFINITY;
  const refresh = async () => {
    let isSmaller = false;
    for (const [topic, { config }] of await admin.describe(topics)) {
      // A batch must fit into a segment too.
      const limit = Math.min(Number(config['max.message.bytes']), Number(config['segment.bytes']));
      isSmaller ||= limit < of(topic);
      limits.set(topic, limit);
    }
    return isSmaller;
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

/** More than headers, key and framing of a record of ours take, the header values of a stranger's raw record not counted. */
const framing = 4_096;

/** Quick, and never too little but for a dead letter with more than that in its headers: then the broker refuses it, as before. */
function mostBytesOf(messages: readonly OutputRecord[]): number {
  let bytes = framing;
  for (const { value } of messages) bytes += framing + (value?.length ?? 0);
  return bytes;
}
