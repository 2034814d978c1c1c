/** Posts signed webhooks to a bridge, as Voucherify would, at a rate. */

import { setTimeout as sleep } from 'node:timers/promises';
import { signedHeaders } from '../voucherify/signature.ts';

export type PostResult =
  | { readonly kind: 'responded'; readonly status: number; readonly body: unknown }
  | { readonly kind: 'no-response'; readonly reason: string };

/** The bridge responds within 8 s; the vendor gives up after 10. */
const vendorTimeoutMs = 10_000;

/** Posts one webhook. Never throws. */
export async function postWebhook(
  url: string,
  body: Buffer,
  key: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<PostResult> {
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { ...signedHeaders(body, key), ...headers },
      body,
      signal: AbortSignal.timeout(vendorTimeoutMs),
    });
    const text = await response.text();
    return { kind: 'responded', status: response.status, body: parsed(text) };
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    return { kind: 'no-response', reason: cause instanceof Error ? cause.message : String(cause) };
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

export type RateOptions = {
  /** Posts at least so many … */
  readonly count: number;
  /** … and more until this returns true. */
  readonly isEnough?: () => boolean;
  /** Webhooks in flight at once, at most. */
  readonly concurrency: number;
  /** Webhooks per second, at most. Undefined: as fast as the responses come. */
  readonly perSecond?: number | undefined;
  /** Posts the webhook of this index, from 0. Must not throw. */
  readonly post: (index: number) => Promise<void>;
};

export type Posting = {
  /** Returns how many webhooks were begun so far. */
  readonly begun: () => number;
  /** Settles when all have a response or were given up. */
  readonly done: Promise<void>;
};

/**
 * Starts each post at its time, whether or not earlier ones have a response, up to `concurrency`.
 */
export function postAtRate(options: RateOptions): Posting {
  const { count, isEnough = () => true, concurrency, perSecond, post } = options;
  const startedAt = performance.now();
  const inFlight = new Set<Promise<void>>();
  let begun = 0;
  const run = async () => {
    while (begun < count || !isEnough()) {
      const dueAt = perSecond === undefined ? 0 : startedAt + (begun * 1_000) / perSecond;
      const index = begun;
      begun += 1;
      const waitMs = dueAt - performance.now();
      if (waitMs > 0) await sleep(waitMs);
      if (inFlight.size >= concurrency) await Promise.race(inFlight);
      const one: Promise<void> = post(index).finally(() => inFlight.delete(one));
      inFlight.add(one);
    }
    await Promise.all(inFlight);
  };
  return { begun: () => begun, done: run() };
}
