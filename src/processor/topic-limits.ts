/**
 * The size limits of the topics. Brokers refuse a whole produce request if one record batch is too
 * large, so transactions are checked before.
 */

import { AppError } from '../errors.ts';
import type { Admin } from '../kafka/admin.ts';
import { isTooLarge } from '../kafka/failure.ts';
import { recordBatchSize } from '../kafka/protocol/record-batch-writer.ts';
import type { OutputRecord, Transaction } from '../kafka/transactional-producer.ts';

export type Excess = { readonly topic: string; readonly bytes: number; readonly limit: number };

export class TopicLimits {
  readonly #admin: Pick<Admin, 'describe'>;
  readonly #topics: () => readonly string[];
  readonly #limits = new Map<string, number>();

  private constructor(admin: Pick<Admin, 'describe'>, topics: () => readonly string[]) {
    this.#admin = admin;
    this.#topics = topics;
  }

  /** @throws AppError if Kafka cannot be reached */
  static async read(
    admin: Pick<Admin, 'describe'>,
    topics: () => readonly string[],
  ): Promise<TopicLimits> {
    const limits = new TopicLimits(admin, topics);
    await limits.#refresh();
    return limits;
  }

  /** Returns the first batch of the transaction that its topic would refuse. */
  excessOf({ records }: Transaction, nowMs: number): Excess | undefined {
    for (const { topic, messages } of records) {
      const limit = this.#limits.get(topic) ?? Number.POSITIVE_INFINITY;
      if (upperBound(messages) <= limit) continue;
      const bytes = recordBatchSize(messages, nowMs);
      if (bytes > limit) return { topic, bytes, limit };
    }
    return undefined;
  }

  /**
   * Explains a refusal. If an operator made a topic's limit smaller, the error becomes retriable,
   * because the next attempt keeps to the new limit. Any other error stays as it is.
   */
  async explain(error: unknown, transaction: Transaction): Promise<unknown> {
    if (!isTooLarge(error)) return error;
    await this.#refresh();
    const excess = this.excessOf(transaction, Date.now());
    return excess ? new AppError('TOPIC_UNFIT', 'retry', describeExcess(excess), error) : error;
  }

  async #refresh(): Promise<void> {
    for (const [topic, { config }] of await this.#admin.describe(this.#topics())) {
      // A batch must also fit into a segment.
      const bytes = [config['max.message.bytes'], config['segment.bytes']].map(Number);
      this.#limits.set(topic, Math.min(...bytes));
    }
  }
}

export function describeExcess({ topic, bytes, limit }: Excess): string {
  return `a record batch of ${bytes} bytes for ${topic}: expected at most ${limit} (its max.message.bytes or segment.bytes)`;
}

/**
 * More than headers, key and framing of one of our records take, except for the headers of another
 * team's raw record.
 */
const framingBytes = 4_096;

/**
 * Returns a quick upper bound of the batch's size. Only a dead letter with larger headers can
 * exceed it, and the broker refuses that.
 */
function upperBound(messages: readonly OutputRecord[]): number {
  let bytes = framingBytes;
  for (const { value } of messages) bytes += framingBytes + (value?.length ?? 0);
  return bytes;
}
