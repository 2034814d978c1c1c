/** What was sent through the bridge, what it acknowledged, and what must become of it. Pure. */

export type Fate =
  | { readonly kind: 'forwarded'; readonly topic: string }
  | { readonly kind: 'dead-lettered'; readonly reason: string }
  | { readonly kind: 'ignored' };

/** One publication id and all webhooks that carried it. */
export type Sent = {
  readonly expected: Fate;
  /** Where on raw the bridge says that each acknowledged webhook is. */
  readonly acknowledged: { readonly partition: number; readonly offset: number }[];
  /** Webhooks that the bridge acknowledged from its spool: they are on raw by the end, it does not say where. */
  spooled: number;
  /** Webhooks that were refused or not answered: they may have been stored all the same. */
  refused: number;
};

export type History = ReadonlyMap<string, Sent>;

/** Numbers from 0 to 1 that the same seed brings back (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
