/**
 * Computes 128-bit digests of ids. The chance that any two of 10⁹ ids share one is below 10⁻²⁰
 * (birthday bound: n² / 2¹²⁹).
 */

import { hash } from 'node:crypto';

const digestBytes = 16;

/**
 * Returns the first 16 bytes of the SHA-256 of the id's UTF-8 text. (Via text, because Node takes
 * three times as long to create a hash's Buffer.)
 */
export function digestOf(id: string | Buffer): Buffer {
  return Buffer.from(hash('sha256', id, 'binary').slice(0, digestBytes), 'latin1');
}

export const noDigest = Buffer.alloc(digestBytes);
