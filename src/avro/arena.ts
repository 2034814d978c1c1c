/** Memory for what is encoded now and sent soon: taken in large pieces, and all of it given back at once. V8 would do so much later (`kafka/buffer-lifetime.ts`). */

const slabBytes = 256 * 1024;

/** Writes from a place of a slab on; answers the end of what it wrote, or by how many bytes the slab was too short, as a negative number. */
type Write = (slab: Buffer, at: number) => number;

export class Arena {
  readonly #slabs: Buffer<ArrayBuffer>[] = [];
  #slab = Buffer.alloc(0);
  #at = 0;

  /** What was written; a slice. */
  place(write: Write): Buffer {
    const from = this.#at;
    const end = write(this.#slab, from);
    if (end < 0) {
      const slab = Buffer.allocUnsafeSlow(Math.max(slabBytes, this.#slab.length - from - end));
      this.#slabs.push(slab);
      this.#slab = slab;
      this.#at = 0;
      return this.place(write);
    }
    this.#at = end;
    return this.#slab.subarray(from, end);
  }

  /** Whatever was placed here has the length 0 from now on. */
  giveBack(): void {
    for (const slab of this.#slabs.splice(0)) slab.buffer.transfer(0);
    this.#slab = Buffer.alloc(0);
    this.#at = 0;
  }
}
