/**
 * Counts keys, of which only 64 bits of a digest are kept: open addressing in typed arrays, at most
 * three quarters full, 13 to 27 bytes per key. That any two of a million keys share them has a
 * chance of 3 in 10⁸.
 */

import { digestOf } from '../digest.ts';

const firstCapacity = 64;

export class KeyCounts {
  #keys = new Uint32Array(2 * firstCapacity);
  #counts = new Uint16Array(firstCapacity);
  #size = 0;

  /** Returns the new count. */
  add(key: string): number {
    const [high, low] = wordsOf(key);
    const slot = this.#find(high, low);
    if (this.#counts[slot] === 0) {
      this.#keys[2 * slot] = high;
      this.#keys[2 * slot + 1] = low;
      this.#size += 1;
    }
    const count = Math.min((this.#counts[slot] ?? 0) + 1, 0xffff);
    this.#counts[slot] = count;
    if (4 * this.#size > 3 * this.#counts.length) this.#grow();
    return count;
  }

  countOf(key: string): number {
    return this.#counts[this.#find(...wordsOf(key))] ?? 0;
  }

  /** Forgets the keys, and keeps the memory for the next ones. */
  clear(): void {
    this.#counts.fill(0);
    this.#size = 0;
  }

  /** Returns the slot of the key: its own, or the free one for it. */
  #find(high: number, low: number): number {
    const mask = this.#counts.length - 1;
    for (let slot = low & mask; ; slot = (slot + 1) & mask) {
      const isFree = this.#counts[slot] === 0;
      if (isFree || (this.#keys[2 * slot] === high && this.#keys[2 * slot + 1] === low)) {
        return slot;
      }
    }
  }

  #grow(): void {
    const [keys, counts] = [this.#keys, this.#counts];
    this.#keys = new Uint32Array(2 * keys.length);
    this.#counts = new Uint16Array(2 * counts.length);
    for (let from = 0; from < counts.length; from += 1) {
      const count = counts[from] ?? 0;
      if (count === 0) continue;
      const [high, low] = [keys[2 * from] as number, keys[2 * from + 1] as number];
      const slot = this.#find(high, low);
      this.#keys[2 * slot] = high;
      this.#keys[2 * slot + 1] = low;
      this.#counts[slot] = count;
    }
  }
}

function wordsOf(key: string): [high: number, low: number] {
  const digest = digestOf(key);
  return [digest.readUInt32LE(0), digest.readUInt32LE(4)];
}
