/** Limits how often something is said: during an outage the same warning would repeat. */

export class Throttle {
  readonly #everyMs: number;
  #lastAtMs: number;

  /** @param isFirstDue whether the first call is due at once, or only after `everyMs` */
  constructor(everyMs: number, { isFirstDue = true } = {}) {
    this.#everyMs = everyMs;
    this.#lastAtMs = isFirstDue ? Number.NEGATIVE_INFINITY : performance.now();
  }

  /** Returns true at most once every `everyMs` milliseconds. */
  isDue(): boolean {
    const now = performance.now();
    if (now - this.#lastAtMs < this.#everyMs) return false;
    this.#lastAtMs = now;
    return true;
  }
}
