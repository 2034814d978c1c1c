/**
 * Batches webhooks into produce requests, adaptively. With nothing in flight a webhook is sent at
 * once. Otherwise it waits until the request in flight is acknowledged, together with those that
 * come meanwhile. So a quiet bridge adds no delay and a busy one fills its requests, without a
 * timer to tune.
 */

import { AppError } from '../errors.ts';
import type { ReceivedWebhook } from './raw-record.ts';
import type { StoredWebhook, WebhookStore } from './webhook-store.ts';

/**
 * A queued webhook and its completion callbacks. (A promise per webhook would cost more than the
 * rest of the batching.)
 */
export type QueuedWebhook = {
  readonly webhook: ReceivedWebhook;
  /**
   * Returns true once the response was sent: a webhook that is still queued then is not written,
   * and has failed.
   */
  readonly isAbandoned: () => boolean;
  /** Called when the webhook is stored. Neither callback may throw. */
  readonly stored: (stored: StoredWebhook) => void;
  readonly failed: (error: unknown) => void;
};

type Limits = { readonly maxRecords: number; readonly maxBytes: number };
type Store = WebhookStore['store'];

export class Batcher {
  readonly #store: Store;
  readonly #limits: Limits;
  #queue: QueuedWebhook[] = [];
  #flushing: Promise<void> | undefined;

  constructor(store: Store, limits: Limits) {
    this.#store = store;
    this.#limits = limits;
  }

  add(queued: QueuedWebhook): void {
    this.#queue.push(queued);
    this.#flushing ??= this.#flush();
  }

  /** Settles when everything added so far has completed. */
  async drain(): Promise<void> {
    while (this.#flushing) await this.#flushing;
  }

  async #flush(): Promise<void> {
    while (this.#queue.length > 0) {
      await this.#untilNoMoreCome();
      const batch = this.#take();
      if (batch.length === 0) continue;
      try {
        const results = await this.#store(batch.map(({ webhook }) => webhook));
        batch.forEach(({ stored, failed }, i) => {
          const result = results[i] as Awaited<ReturnType<Store>>[number];
          if (result.kind === 'stored' || result.kind === 'spooled') stored(result);
          else failed(new AppError('KAFKA_REFUSED', 'stop', result.reason));
        });
      } catch (error) {
        for (const { failed } of batch) failed(error);
      }
    }
    this.#flushing = undefined;
  }

  /**
   * Waits while each turn of the event loop brings more: one acknowledgement answers many clients,
   * and they send their next webhook at once.
   */
  async #untilNoMoreCome(): Promise<void> {
    let before = 0;
    for (let now = this.#fitting(); now > before; now = this.#fitting()) {
      before = now;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Returns how many queued webhooks one request holds. */
  #fitting(): number {
    const { maxRecords, maxBytes } = this.#limits;
    let count = 0;
    for (let bytes = 0; count < Math.min(maxRecords, this.#queue.length); count += 1) {
      bytes += this.#queue[count]?.webhook.verified.body.length ?? 0;
      if (count > 0 && bytes > maxBytes) break;
    }
    return count;
  }

  #take(): readonly QueuedWebhook[] {
    return this.#queue.splice(0, this.#fitting()).filter(({ isAbandoned, failed }) => {
      if (!isAbandoned()) return true;
      failed(new AppError('BROKER_UNAVAILABLE', 'retry', 'abandoned before it was written'));
      return false;
    });
  }
}
