/**
 * Tracks whether webhooks reach Kafka, and if not, since when and why; /readyz and the log report
 * it.
 */

import { Throttle } from '../concurrency/throttle.ts';
import { AppError, messageOf } from '../errors.ts';
import type { Log } from '../observability/log.ts';
import type { Write } from './webhook-store.ts';

export type Outage = { readonly since: Date; readonly reason: string };

const logEveryMs = 5_000;

export class StoreProgress {
  readonly #log: Log;
  readonly #throttle = new Throttle(logEveryMs);
  #outage: Outage | undefined;

  constructor(log: Log) {
    this.#log = log;
  }

  /** Undefined if the last attempt succeeded, or none was made. */
  get outage(): Outage | undefined {
    return this.#outage;
  }

  succeeded(): void {
    if (this.#outage === undefined) return;
    this.#log.info({ since: this.#outage.since }, 'webhooks reach Kafka again');
    this.#outage = undefined;
  }

  failed(error: unknown): void {
    const since = this.#outage?.since ?? new Date();
    this.#outage = { since, reason: messageOf(error) };
    if (this.#throttle.isDue()) {
      this.#log.warn({ err: error, since }, 'webhooks do not reach Kafka');
    }
  }

  /** Call it when the time for the response has passed: KafkaJS may retry for longer. */
  timedOut(): void {
    const text = 'Kafka did not respond within RESPONSE_TIMEOUT';
    this.failed(new AppError('BROKER_UNAVAILABLE', 'retry', text));
  }

  /** Returns the same write, tracked. */
  track(write: Write): Write {
    return async (webhooks, timeoutMs) => {
      try {
        const results = await write(webhooks, timeoutMs);
        this.succeeded();
        return results;
      } catch (error) {
        this.failed(error);
        throw error;
      }
    };
  }
}
