/**
 * Voucherify as a sender of webhooks, by its own rules (Introduction to webhooks, voucherify docs):
 * a response within 10 seconds or none, any 2xx is a success, twelve retries at fixed times after
 * the first attempt, and after the twelfth failure the webhook is disabled: nothing is sent to it
 * any more. Hours pass on a clock of its own, as fast as the responses come.
 */

import { signedHeaders } from '../../src/voucherify/signature.ts';
import { secret } from './deployment.ts';

const minute = 60_000;
export const hour = 60 * minute;
const retriesAfter = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 1_440].map((n) => n * minute);
const patienceMs = 10_000;

/** One webhook as the dashboard knows it. */
export type Subscription = {
  readonly url: string;
  isDisabled: boolean;
  attempts: number;
};

type Options = {
  readonly urls: readonly string[];
  /** The body of a publication for one subscription: the send-out's id is different in each. */
  readonly bodyFor: (publicationId: string, subscription: number) => Buffer;
  /**
   * Whether a response reaches the provider. One that does not is a failure for it, and a
   * repeat to us.
   */
  readonly hears: () => boolean;
};

export class Provider {
  readonly subscriptions: readonly Subscription[];
  readonly #options: Options;
  /** Planned events, by the time on the provider's clock. */
  readonly #agenda = new Map<number, (() => Promise<void>)[]>();
  #now = 0;

  constructor(options: Options) {
    this.#options = options;
    this.subscriptions = options.urls.map((url) => ({ url, isDisabled: false, attempts: 0 }));
  }

  /** Something happens in the world. */
  at(time: number, action: () => Promise<void>): void {
    this.#agenda.set(time, [...(this.#agenda.get(time) ?? []), action]);
  }

  /** A publication: every subscription gets its webhook, all at once. */
  publishAt(time: number, publicationId: string): void {
    for (const [i, subscription] of this.subscriptions.entries()) {
      const body = this.#options.bodyFor(publicationId, i);
      this.at(time, () => this.#attempt(subscription, body, time, 0));
    }
  }

  /** Until nothing is left to do. Answers how late it is then. */
  async run(): Promise<number> {
    while (this.#agenda.size > 0) {
      this.#now = Math.min(...this.#agenda.keys());
      const actions = this.#agenda.get(this.#now) ?? [];
      this.#agenda.delete(this.#now);
      await Promise.all(actions.map((action) => action()));
    }
    return this.#now;
  }

  async #attempt(subscription: Subscription, body: Buffer, firstAt: number, retries: number) {
    if (subscription.isDisabled) return;
    subscription.attempts += 1;
    const isDelivered = (await succeeds(subscription.url, body)) && this.#options.hears();
    if (isDelivered) return;
    const next = retriesAfter[retries];
    if (next === undefined) subscription.isDisabled = true;
    else this.at(firstAt + next, () => this.#attempt(subscription, body, firstAt, retries + 1));
  }
}

async function succeeds(url: string, body: Buffer): Promise<boolean> {
  const signal = AbortSignal.timeout(patienceMs);
  try {
    const answer = await fetch(url, {
      method: 'POST',
      headers: signedHeaders(body, secret),
      body,
      signal,
    });
    await answer.arrayBuffer();
    return answer.ok;
  } catch {
    return false;
  }
}
