/**
 * Remembers ids for the dedup window. Ids are in generations of an eighth of the window, by the
 * partition's stream time at their arrival. The oldest generation is dropped as a whole.
 */

import { DigestSet } from './digest-set.ts';

const generationsPerWindow = 8;

export class Window {
  readonly #windowMs: number;
  readonly #spanMs: number;
  /**
   * Generations by number, which is the start divided by the span. The newest comes first, because
   * most repeats come soon.
   */
  #generations: { readonly number: number; readonly digests: DigestSet }[] = [];
  /**
   * Ids forwarded before this time may be missing, whatever the stream time, because the journal
   * was read from there.
   */
  readonly #coveredFromMs: number | undefined;
  #hasForgotten: boolean;

  /** @param coveredFromMs undefined if no id is missing */
  constructor(windowMs: number, coveredFromMs: number | undefined) {
    this.#windowMs = windowMs;
    this.#spanMs = Math.ceil(windowMs / generationsPerWindow);
    this.#coveredFromMs = coveredFromMs;
    this.#hasForgotten = coveredFromMs !== undefined;
  }

  /**
   * Returns whether an id may have been dropped. Before that, even the oldest event can be
   * distinguished from a repeat.
   */
  get hasForgotten(): boolean {
    return this.#hasForgotten;
  }

  get size(): number {
    return this.#generations.reduce((sum, { digests }) => sum + digests.size, 0);
  }

  get bytes(): number {
    return this.#generations.reduce((sum, { digests }) => sum + digests.bytes, 0);
  }

  has(digest: Buffer): boolean {
    return this.#generations.some(({ digests }) => digests.has(digest));
  }

  /** Adds digests that arrived at the stream time `atMs`. */
  add(digests: readonly Buffer[], atMs: number): void {
    if (digests.length === 0) return;
    const number = Math.floor(atMs / this.#spanMs);
    let generation = this.#generations.find((one) => one.number === number);
    if (!generation) {
      generation = { number, digests: new DigestSet() };
      this.#generations = [...this.#generations, generation].sort((a, b) => b.number - a.number);
    }
    for (const digest of digests) generation.digests.add(digest);
  }

  /**
   * Drops generations that are older than the window at this stream time. A generation is kept one
   * span longer than its youngest id needs, so that the clocks of Voucherify and of the bridge may
   * differ by up to an eighth of the window.
   */
  forget(streamTimeMs: number): void {
    const isOld = (number: number) => (number + 2) * this.#spanMs + this.#windowMs <= streamTimeMs;
    if (!this.#generations.some(({ number }) => isOld(number))) return;
    this.#generations = this.#generations.filter(({ number }) => !isOld(number));
    this.#hasForgotten = true;
  }

  /**
   * Returns whether an event of this age may have arrived before and been forgotten. Otherwise an
   * earlier arrival was at its creation or later, so within the window, and within what the journal
   * covers.
   */
  isOlder(createdAtMs: number, streamTimeMs: number): boolean {
    if (!this.#hasForgotten) return false;
    return streamTimeMs - createdAtMs > this.#windowMs || createdAtMs < (this.#coveredFromMs ?? 0);
  }
}
