/**
 * A set of 128-bit digests in one typed array: open addressing, linear probing, at most three
 * quarters full; 22 to 43 bytes per digest.
 */

const words = 4;
const firstCapacity = 64;

export class DigestSet {
  #slots = new Uint32Array(firstCapacity * words);
  #mask = firstCapacity - 1;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get bytes(): number {
    return this.#slots.byteLength;
  }

  has(digest: Buffer): boolean {
    return this.#slots[this.#find(digest)] !== 0;
  }

  add(digest: Buffer): void {
    const at = this.#find(digest);
    if (this.#slots[at] !== 0) return;
    this.#put(at, first(digest), word(digest, 4), word(digest, 8), word(digest, 12));
    if (4 * this.#size > 3 * (this.#mask + 1)) this.#grow();
  }

  /** Returns the index of the first word of the digest's slot: its own, or the free one for it. */
  #find(digest: Buffer): number {
    const a = first(digest);
    const b = word(digest, 4);
    const c = word(digest, 8);
    const d = word(digest, 12);
    const slots = this.#slots;
    // SHA-256 is evenly distributed: any of its bits are a good hash.
    for (let slot = d & this.#mask; ; slot = (slot + 1) & this.#mask) {
      const at = slot * words;
      if (slots[at] === 0) return at;
      if (slots[at] === a && slots[at + 1] === b && slots[at + 2] === c && slots[at + 3] === d) {
        return at;
      }
    }
  }

  #put(at: number, a: number, b: number, c: number, d: number): void {
    this.#slots[at] = a;
    this.#slots[at + 1] = b;
    this.#slots[at + 2] = c;
    this.#slots[at + 3] = d;
    this.#size += 1;
  }

  #grow(): void {
    const old = this.#slots;
    this.#slots = new Uint32Array(old.length * 2);
    this.#mask = this.#slots.length / words - 1;
    this.#size = 0;
    for (let from = 0; from < old.length; from += words) {
      if (old[from] === 0) continue;
      let slot = (old[from + 3] as number) & this.#mask;
      while (this.#slots[slot * words] !== 0) slot = (slot + 1) & this.#mask;
      this.#put(
        slot * words,
        old[from] as number,
        old[from + 1] as number,
        old[from + 2] as number,
        old[from + 3] as number,
      );
    }
  }
}

function word(digest: Buffer, at: number): number {
  return digest.readUInt32LE(at);
}

/**
 * A first word of zero marks a free slot. A digest that begins with zero is stored with 1, which
 * costs 2⁻³² of one of 128 bits.
 */
function first(digest: Buffer): number {
  return digest.readUInt32LE(0) || 1;
}
