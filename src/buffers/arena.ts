/**
 * Memory for values that are encoded now and sent soon. It is allocated in slabs, and all of it is
 * released at once by the sender of the values: `TransactionalProducer.commit` and
 * `Writer.write`. V8 would free it much later (`lifetime.ts`).
 */

const slabBytes = 256 * 1024;

/**
 * Encodes into `slab` from `at` on. Returns where it ended; if the slab is too short, minus the
 * number of missing bytes.
 */
type Encode = (slab: Buffer, at: number) => number;

export class Arena {
  readonly #slabs: Buffer<ArrayBuffer>[] = [];
  #slab = Buffer.alloc(0);
  #at = 0;

  /** Returns a slice that holds what was encoded. */
  write(encode: Encode): Buffer {
    const from = this.#at;
    const end = encode(this.#slab, from);
    if (end < 0) {
      const slab = Buffer.allocUnsafeSlow(Math.max(slabBytes, this.#slab.length - from - end));
      this.#slabs.push(slab);
      this.#slab = slab;
      this.#at = 0;
      return this.write(encode);
    }
    this.#at = end;
    return this.#slab.subarray(from, end);
  }

  /** Frees the memory. Every slice has the length 0 from now on. */
  release(): void {
    for (const slab of this.#slabs.splice(0)) slab.buffer.transfer(0);
    this.#slab = Buffer.alloc(0);
    this.#at = 0;
  }
}
