/**
 * The history of a load: what was sent, what the bridge acknowledged, and what is expected of it.
 * Pure.
 */

export type Expected =
  | { readonly kind: 'forwarded'; readonly topic: string }
  | { readonly kind: 'dead-lettered'; readonly reason: string }
  | { readonly kind: 'ignored' };

/** One publication id and all webhooks that carried it. */
export type Sent = {
  readonly expected: Expected;
  /** No webhook was sent: `voucherbus reconcile` must bring it. */
  readonly isWithheld?: boolean;
  /** The position on raw of each acknowledged webhook, by the bridge's response. */
  readonly acknowledged: { readonly partition: number; readonly offset: number }[];
  /**
   * Webhooks that the bridge acknowledged from its spool: they reach raw later, at a position that
   * it does not know yet.
   */
  spooled: number;
  /** Webhooks that were refused or got no response: they may have been stored nevertheless. */
  refused: number;
};

export type History = ReadonlyMap<string, Sent>;

/** Returns a generator of numbers from 0 to 1 that the same seed repeats (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
