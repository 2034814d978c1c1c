/**
 * Collects webhooks into produce requests, adaptively: with nothing in flight a webhook goes at once, else it waits for the request in flight
 * to be answered, and for those that come at the same time. So a quiet bridge adds no delay and a busy one fills its requests, without a timer to
 * tune.
 */

import { AppError } from '../errors.ts';
import { isNotStored } from '../kafka/writer.ts';
import type { ReceivedWebhook } from './raw-record.ts';
import type { Kept, WebhookStore } from './webhook-store.ts';

/** One webhook, and whom to tell what became of it. (By callbacks: a promise for each would cost more than all that is done here.) */
export type Waiting = {
  readonly webhook: ReceivedWebhook;
  /** True once nobody waits for the answer any more: a webhook that is still queued then is not written, and has failed. */
  readonly isAbandoned: () => boolean;
  /** Where it is kept, once it is safe there. Neither this nor the next throws. */
  readonly kept: (kept: Kept) => void;
  readonly failed: (error: unknown) => void;
};

type Limits = { readonly maxRecords: number; readonly maxBytes: number };
type Keep = WebhookStore['keep'];

export class Batcher {
  readonly #keep: Keep;
  readonly #limits: Limits;
  #waiting: Waiting[] = [];
  #flushing: Promise<void> | undefined;

  constructor(keep: Keep, limits: Limits) {
    this.#keep = keep;
    this.#limits = limits;
  }

  add(waiting: Waiting): void {
    this.#waiting.push(waiting);
    this.#flushing ??= this.#flush();
  }

  /** Settles when everything added so far has been answered. */
  async drain(): Promise<void> {
    while (this.#flushing) await this.#flushing;
  }

  async #flush(): Promise<void> {
    while (this.#waiting.length > 0) {
      await this.#untilNoMoreCome();
      const batch = this.#take();
      if (batch.length === 0) continue;
      try {
        const places = await this.#keep(batch.map(({ webhook }) => webhook));
        batch.forEach(({ kept, failed }, i) => {
          const permit = places[i] as Awaited<ReturnType<Keep>>[number];
          if (typeof permit === 'object' && isNotStored(permit))
            failed(new AppError('KAFKA_REFUSED', 'stop', permit.reason));
          else kept(permit);
        });
      } catch (error) {
        for (const { failed } of batch) failed(error);
      }
    }
    this.#flushing = undefined;
  }

  /** While each turn of the event loop brings more: an answer of Kafka's answers many, and their clients send their next at once. */
  async #untilNoMoreCome(): Promise<void> {
    let before = 0;
    for (let now = this.#fitting(); now > before; now = this.#fitting()) {
      before = now;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** How many of those that wait one request holds. */
  #fitting(): number {
    const { maxRecords, maxBytes } = this.#limits;
    let count = 0;
    for (let bytes = 0; count < Math.min(maxRecords, this.#waiting.length); count += 1) {
      bytes += this.#waiting[count]?.webhook.verified.body.length ?? 0;
      if (count > 0 && bytes > maxBytes) break;
    }
    return count;
  }

  #take(): readonly Waiting[] {
    return this.#waiting.splice(0, this.#fitting()).filter(({ isAbandoned, failed }) => {
      if (!isAbandoned()) return true;
      failed(new AppError('BROKER_UNAVAILABLE', 'retry', 'abandoned before it was written'));
      return false;
    });
  }
}
