/** Tracks whether webhooks reach Kafka, and if not, since when and why; /readyz and the log report it. */

import { AppError, messageOf } from '../errors.ts';
import type { Log } from '../observability/log.ts';
import type { Write } from './webhook-store.ts';

export type Standstill = { readonly since: Date; readonly reason: string };

/** During an outage the same warning would repeat with every batch. */
const sayAgainAfterMs = 5_000;

export class StoreProgress {
  readonly #log: Log;
  #standstill: Standstill | undefined;
  #saidAt = Number.NEGATIVE_INFINITY;

  constructor(log: Log) {
    this.#log = log;
  }

  /** Undefined while the last attempt succeeded, or none was made. */
  get standstill(): Standstill | undefined {
    return this.#standstill;
  }

  succeeded(): void {
    if (this.#standstill === undefined) return;
    this.#log.info({ since: this.#standstill.since }, 'webhooks reach Kafka again');
    this.#standstill = undefined;
  }

  failed(error: unknown): void {
    const since = this.#standstill?.since ?? new Date();
    this.#standstill = { since, reason: messageOf(error) };
    const now = performance.now();
    if (now - this.#saidAt < sayAgainAfterMs) return;
    this.#saidAt = now;
    this.#log.warn({ err: error, since }, 'webhooks do not reach Kafka');
  }

  /** The time for the response has passed: Kafka's client may go on trying for longer. */
  timedOut(): void {
    this.failed(
      new AppError('BROKER_UNAVAILABLE', 'retry', 'Kafka did not answer within RESPONSE_TIMEOUT'),
    );
  }

  /** The same write, watched. */
  watch(write: Write): Write {
    return async (webhooks, timeoutMs) => {
      try {
        const stored = await write(webhooks, timeoutMs);
        this.succeeded();
        return stored;
      } catch (error) {
        this.failed(error);
        throw error;
      }
    };
  }
}
