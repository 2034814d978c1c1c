/**
 * Stores verified webhooks: on Kafka while it responds within its budget, otherwise in the spool,
 * from which they follow in order.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { withTimeout } from '../concurrency/timeout.ts';
import { AppError } from '../errors.ts';
import type { NotStored, Stored, WriteResult } from '../kafka/writer.ts';
import type { ReceivedWebhook } from './raw-record.ts';
import { type Append, type Spool, type SpoolState, webhooksPerSend } from './spool/spool.ts';
import { spoolRetryMs } from './timeouts.ts';

/** Writes the webhooks to Kafka and returns the result of each, in order. @throws AppError */
export type Write = (
  webhooks: readonly ReceivedWebhook[],
  timeoutMs: number,
) => Promise<readonly WriteResult[]>;

export type StoredWebhook = Stored | { readonly kind: 'spooled' };

export type WebhookStore = {
  /**
   * Stores the webhooks, and returns the result of each. Calls must not overlap.
   * @throws AppError if none was stored
   */
  readonly store: (
    webhooks: readonly ReceivedWebhook[],
  ) => Promise<readonly (StoredWebhook | NotStored)[]>;
  /** Returns undefined without a spool. */
  readonly spoolState: () => SpoolState | undefined;
  readonly close: () => Promise<void>;
};

export function storeOnKafka(write: Write, timeoutMs: number): WebhookStore {
  return {
    store: (webhooks) => write(webhooks, timeoutMs),
    spoolState: () => undefined,
    close: async () => {},
  };
}

export type SpoolingOptions = {
  /** How long Kafka may take before the spool is used. */
  readonly budgetMs: number;
  /** Reports what Kafka or the spool could not do, and the consequence. */
  readonly onTrouble: (error: unknown, consequence: string) => void;
};

const spooled = { kind: 'spooled' } as const;

/**
 * Stores on Kafka or in the spool. Webhooks that are in the spool when it closes stay there for the
 * next bridge.
 */
export class SpoolingStore implements WebhookStore {
  readonly #write: Write;
  readonly #spool: Spool;
  readonly #options: SpoolingOptions;
  readonly #stop = new AbortController();
  #draining: Promise<void> | undefined;

  constructor(write: Write, spool: Spool, options: SpoolingOptions) {
    this.#write = write;
    this.#spool = spool;
    this.#options = options;
    this.#drain();
  }

  readonly spoolState = (): SpoolState => this.#spool.state;

  readonly store: WebhookStore['store'] = async (webhooks) => {
    const { onTrouble } = this.#options;
    let spoolError: unknown;
    try {
      // If some wait already, these go behind them: they must arrive in order, and Kafka is
      // unreachable anyway.
      if (await this.#spool.appendBehindOthers(webhooks)) return webhooks.map(() => spooled);
    } catch (error) {
      spoolError = error;
      onTrouble(error, 'webhooks go to Kafka, although others wait in the spool');
    }
    try {
      const results = await this.#send(webhooks);
      if (results.every(isStored)) return results;
      await this.#handleRest(webhooks, results, (rest) => this.#spool.append(rest));
      this.#drain();
      return results.map((result) => (isStored(result) ? result : spooled));
    } catch (error) {
      if (spoolError !== undefined) throw spoolError;
      onTrouble(error, 'webhooks are kept in the spool');
    }
    await this.#spool.append(webhooks);
    this.#drain();
    return webhooks.map(() => spooled);
  };

  readonly close = async (): Promise<void> => {
    this.#stop.abort();
    await this.#draining;
    await this.#spool.close();
  };

  /**
   * KafkaJS may go on after the time-out: then the webhook is on raw twice, and the processor drops
   * the repeat.
   */
  #send(webhooks: readonly ReceivedWebhook[]): Promise<readonly WriteResult[]> {
    const { budgetMs } = this.#options;
    const text = `Kafka did not respond within ${budgetMs} ms (SPOOL_AFTER)`;
    return withTimeout(
      this.#write(webhooks, budgetMs),
      budgetMs,
      () => new AppError('BROKER_UNAVAILABLE', 'retry', text),
    );
  }

  /** Handles the webhooks that Kafka did not store, so that none of them blocks those behind it. */
  async #handleRest(
    webhooks: readonly ReceivedWebhook[],
    results: readonly WriteResult[],
    append: Append,
  ): Promise<void> {
    const of = (kind: NotStored['kind']) => webhooks.filter((_, i) => results[i]?.kind === kind);
    const [refused, unavailable] = [of('refused'), of('unavailable')];
    if (refused.length > 0) {
      const path = await this.#spool.setAside(refused);
      const [first] = results.flatMap((result) => (result.kind === 'refused' ? [result] : []));
      const text = `Kafka refuses ${refused.length} webhooks for good (${first?.reason}): they are kept in ${path}. When the cause is gone, rename it to end with .segment and restart the bridge`;
      const error = new AppError('KAFKA_REFUSED', 'stop', text);
      this.#options.onTrouble(error, 'webhooks are set aside');
    }
    if (unavailable.length > 0) await append(unavailable);
  }

  #drain(): void {
    if (this.#spool.isEmpty || this.#stop.signal.aborted) return;
    this.#draining ??= this.#drainAll().finally(() => {
      this.#draining = undefined;
      this.#drain(); // what came meanwhile
    });
  }

  async #drainAll(): Promise<void> {
    while (!this.#spool.isEmpty && !this.#stop.signal.aborted) {
      try {
        await this.#spool.drainOldest((webhooks, append) => this.#sendSpooled(webhooks, append));
      } catch (error) {
        this.#options.onTrouble(error, 'the spool is retried');
        await this.#pause();
      }
    }
  }

  async #sendSpooled(webhooks: readonly ReceivedWebhook[], append: Append): Promise<void> {
    for (let i = 0; i < webhooks.length; i += webhooksPerSend) {
      const some = webhooks.slice(i, i + webhooksPerSend);
      const results = await this.#send(some);
      await this.#handleRest(some, results, append);
      // Only partitions without a leader are left: retrying at once does not give them one.
      if (!results.some(isStored)) await this.#pause();
    }
  }

  async #pause(): Promise<void> {
    const { signal } = this.#stop;
    await sleep(spoolRetryMs, undefined, { signal }).catch(() => undefined);
  }
}

function isStored(result: WriteResult): result is Stored {
  return result.kind === 'stored';
}
