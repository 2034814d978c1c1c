/** CRC-32C (Castagnoli), the checksum of a record batch. */

import { createRequire } from 'node:module';

type Native = { readonly crc32c: (bytes: Buffer) => number };

/**
 * The CPU's own instruction, ten times as fast; undefined on a platform for which @node-rs/crc32
 * has no binary.
 */
const native = loadNative();

/**
 * Loads it without a top-level await: importing modules would start later than KafkaJS, which must
 * be patched before its first line runs.
 */
function loadNative(): Native | undefined {
  const require = createRequire(import.meta.url);
  try {
    return require('@node-rs/crc32');
  } catch {
    return undefined;
  }
}

/** Returns the checksum of the bytes from `start` to before `end`. */
export function crc32c(buffer: Buffer, start = 0, end = buffer.length): number {
  return native ? native.crc32c(buffer.subarray(start, end)) : plainCrc32c(buffer, start, end);
}

const polynomial = 0x82f63b78;

/**
 * Eight tables of 256 entries, one after the other: table k advances a byte by k more zero bytes.
 */
const tables = new Int32Array(8 * 256);
for (let byte = 0; byte < 256; byte += 1) {
  let crc = byte;
  for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ polynomial : crc >>> 1;
  tables[byte] = crc;
}
for (let index = 256; index < 8 * 256; index += 1) {
  const previous = tables[index - 256] as number;
  tables[index] = (tables[previous & 0xff] as number) ^ (previous >>> 8);
}

// The index is always within the bounds; V8 inlines both.
const table = (index: number) => tables[index] as number;
const byteAt = (buffer: Buffer, index: number) => buffer[index] as number;

/** Computes the checksum in JavaScript, eight bytes per step (750 MB/s; KafkaJS: 440). */
export function plainCrc32c(buffer: Buffer, start = 0, end = buffer.length): number {
  let crc = -1;
  let i = start;
  for (const last = end - 8; i <= last; i += 8) {
    crc ^=
      byteAt(buffer, i) |
      (byteAt(buffer, i + 1) << 8) |
      (byteAt(buffer, i + 2) << 16) |
      (byteAt(buffer, i + 3) << 24);
    crc =
      table(1792 + (crc & 0xff)) ^
      table(1536 + ((crc >>> 8) & 0xff)) ^
      table(1280 + ((crc >>> 16) & 0xff)) ^
      table(1024 + (crc >>> 24)) ^
      table(768 + byteAt(buffer, i + 4)) ^
      table(512 + byteAt(buffer, i + 5)) ^
      table(256 + byteAt(buffer, i + 6)) ^
      table(byteAt(buffer, i + 7));
  }
  for (; i < end; i += 1) {
    crc = table((crc ^ byteAt(buffer, i)) & 0xff) ^ (crc >>> 8);
  }
  return ~crc >>> 0;
}
