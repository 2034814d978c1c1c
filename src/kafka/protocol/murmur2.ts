/**
 * Chooses the partition of a key like Java's client and KafkaJS's DefaultPartitioner: murmur2 with
 * seed 0x9747b28c. KafkaJS computes it with BigInts.
 */

const seed = 0x9747b28c;
const factor = 0x5bd1e995;

export function partitionOf(key: string | Buffer, partitions: number): number {
  return (hashOf(key) & 0x7fffffff) % partitions;
}

/** Returns a signed 32-bit number. */
export function hashOf(key: string | Buffer): number {
  const data = typeof key === 'string' ? Buffer.from(key) : key;
  const whole = data.length & ~3;
  let hash = seed ^ data.length;
  for (let i = 0; i < whole; i += 4) {
    let word = Math.imul(data.readInt32LE(i), factor);
    word = Math.imul(word ^ (word >>> 24), factor);
    hash = Math.imul(hash, factor) ^ word;
  }
  for (let i = data.length - 1; i >= whole; i -= 1) {
    hash ^= (data[i] as number) << (8 * (i - whole));
    if (i === whole) hash = Math.imul(hash, factor);
  }
  hash = Math.imul(hash ^ (hash >>> 13), factor);
  return hash ^ (hash >>> 15);
}
