/**
 * Whether the next transaction waits for more records. Each transaction costs the brokers and us
 * about the same, however few records it holds. While they come faster than one by one can be
 * committed, a wait of a few milliseconds halves the transactions; and where the cores are busy,
 * which they are then, all is seen sooner, not later (1,000 events a second on two cores, medians
 * of four runs in turns: a third less CPU, here and in the broker, p99 99 → 76 ms).
 */

/** Of the usual time of a commit: with 4, less CPU again, and p50 suffers. */
const commitTimes = 2;
/** Of large transactions, which take longer, more would not be saved. */
const longestMs = 20;
/** One slow commit in twenty is not the usual one. */
const weight = 1 / 20;

export class Linger {
  #usualMs = 0;

  /**
   * How long to wait after a commit, in milliseconds, before more is fetched. Never after one
   * record alone, which came by itself; never while more is there to be fetched.
   */
  after(commitMs: number, records: number, isCaughtUp: boolean): number {
    this.#usualMs += (commitMs - this.#usualMs) * weight;
    if (records < 2 || !isCaughtUp) return 0;
    return Math.min(longestMs, commitTimes * this.#usualMs);
  }
}
