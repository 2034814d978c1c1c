/** 128-bit digests of ids. The chance that any two of 10⁹ ids share one is below 10⁻²⁰ (birthday bound: n² / 2¹²⁹). */

import { hash } from 'node:crypto';

const digestBytes = 16;

/** The first 16 bytes of the SHA-256 of the id's UTF-8 text. */
export function digestOf(id: string | Buffer): Buffer {
  return hash('sha256', id, 'buffer').subarray(0, digestBytes);
}

export const noDigest = Buffer.alloc(digestBytes);
