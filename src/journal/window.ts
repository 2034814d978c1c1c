/**
 * How long a repeat is remembered. Ids live in generations of an eighth of the window, by the partition's stream time when they came; the
 * oldest generation is dropped whole.
 */

import { DigestSet } from './digest-set.ts';

const generationsPerWindow = 8;

export class Window {
  readonly #windowMs: number;
  readonly #spanMs: number;
  /** By number, which is its start divided by the span; newest first, for most repeats come soon. */
  #generations: { readonly number: number; readonly digests: DigestSet }[] = [];
  /** Ids forwarded before this may be missing, whatever the stream time: the journal was read from there. */
  readonly #coveredFromMs: number | undefined;
  #hasForgotten: boolean;

  /** @param coveredFromMs undefined where the memory is whole */
  constructor(windowMs: number, coveredFromMs: number | undefined) {
    this.#windowMs = windowMs;
    this.#spanMs = Math.ceil(windowMs / generationsPerWindow);
    this.#coveredFromMs = coveredFromMs;
    this.#hasForgotten = coveredFromMs !== undefined;
  }

  /** Whether an id may ever have been dropped. Until then memory is whole, and even the oldest event can be told from a repeat. */
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

  /** Remembers digests that came when the partition's stream time was `atMs`. */
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
   * Drops what is a window old at this stream time. A generation is kept one span longer than its youngest id needs, so that the clocks of
   * Voucherify and of the bridge may disagree by up to an eighth of the window.
   */
  forget(streamTimeMs: number): void {
    const isOld = (number: number) => (number + 2) * this.#spanMs + this.#windowMs <= streamTimeMs;
    if (!this.#generations.some(({ number }) => isOld(number))) return;
    this.#generations = this.#generations.filter(({ number }) => !isOld(number));
    this.#hasForgotten = true;
  }

  /**
   * Whether an event of this age may have come before and been forgotten. Otherwise it cannot: an earlier arrival was at its creation or
   * later, so within the window of the stream time, and within what the journal still told.
   */
  isOlder(createdAtMs: number, streamTimeMs: number): boolean {
    if (!this.#hasForgotten) return false;
    return streamTimeMs - createdAtMs > this.#windowMs || createdAtMs < (this.#coveredFromMs ?? 0);
  }
}
