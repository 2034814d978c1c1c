/**
 * Remembers in which records each id is, by 32 bits of its hash, in typed arrays: 16 bytes per id.
 * A record that is found may contain another id with the same hash: read it. When the table is
 * full, it forgets the oldest ids, a segment at once.
 */

/** A record's place on its topic. */
export type Place = { readonly partition: number; readonly offset: number };

const bucketBits = 17;
const segmentSize = 2 ** bucketBits;
const bytesPerId = 16;
export const segmentBytes = segmentSize * bytesPerId;

export class IdTable {
  readonly #maxSegments: number;
  /** The oldest first. */
  #segments: readonly Segment[] = [];
  #forgottenUntilMs: number | undefined;

  /** @param maxBytes rounded down to whole segments, at least two */
  constructor(maxBytes: number) {
    this.#maxSegments = Math.max(2, Math.floor(maxBytes / segmentBytes));
  }

  /** The latest time of a forgotten record; undefined while nothing is forgotten. */
  get forgottenUntilMs(): number | undefined {
    return this.#forgottenUntilMs;
  }

  /** @param atMs the record's time, in milliseconds since 1970 */
  add(hash: number, place: Place, atMs: number): void {
    let last = this.#segments.at(-1);
    if (last === undefined || last.isFull) {
      last = new Segment();
      this.#segments = [...this.#segments, last];
      if (this.#segments.length > this.#maxSegments) this.#forgetOldest();
    }
    last.add(hash, place, atMs);
  }

  /** Yields the places of an id, the one that was added last first; some may be of other ids. */
  *find(hash: number): Generator<Place> {
    for (let i = this.#segments.length - 1; i >= 0; i -= 1) {
      yield* (this.#segments[i] as Segment).find(hash);
    }
  }

  #forgetOldest(): void {
    const [oldest, ...rest] = this.#segments;
    this.#segments = rest;
    this.#forgottenUntilMs = Math.max(this.#forgottenUntilMs ?? 0, oldest?.lastMs ?? 0);
  }
}

/** A hash table: `#heads` has each bucket's newest entry, `#next` the entry before another. */
class Segment {
  readonly #heads = new Int32Array(segmentSize).fill(-1);
  readonly #next = new Int32Array(segmentSize);
  /** The bits of the hash that the bucket does not say. */
  readonly #tags = new Uint16Array(segmentSize);
  readonly #partitions = new Uint16Array(segmentSize);
  /** Relative to the partition's first one in this segment. */
  readonly #offsets = new Int32Array(segmentSize);
  readonly #bases = new Map<number, number>();
  #size = 0;
  lastMs = 0;

  get isFull(): boolean {
    return this.#size === segmentSize;
  }

  add(hash: number, { partition, offset }: Place, atMs: number): void {
    const entry = this.#size;
    const bucket = hash & (segmentSize - 1);
    const base = this.#bases.get(partition) ?? offset;
    this.#bases.set(partition, base);
    this.#tags[entry] = hash >>> bucketBits;
    this.#partitions[entry] = partition;
    this.#offsets[entry] = offset - base;
    this.#next[entry] = this.#heads[bucket] as number;
    this.#heads[bucket] = entry;
    this.#size += 1;
    this.lastMs = Math.max(this.lastMs, atMs);
  }

  *find(hash: number): Generator<Place> {
    const tag = hash >>> bucketBits;
    let entry = this.#heads[hash & (segmentSize - 1)] as number;
    for (; entry >= 0; entry = this.#next[entry] as number) {
      if (this.#tags[entry] !== tag) continue;
      const partition = this.#partitions[entry] as number;
      const base = this.#bases.get(partition) ?? 0;
      yield { partition, offset: base + (this.#offsets[entry] as number) };
    }
  }
}
