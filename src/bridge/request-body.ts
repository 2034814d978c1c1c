/** Reads a request's body whole, within its limits of size, time and memory. */

import type { IncomingMessage } from 'node:http';
import type { InFlight, Permit } from './in-flight.ts';
import { type Problem, problems } from './problems.ts';
import type { Deadline } from './timeouts.ts';

export type Body = { readonly kind: 'body'; readonly bytes: Buffer; readonly permit: Permit };

/** The client closed the connection before its body was complete. */
export type Aborted = { readonly kind: 'aborted' };

export async function readBody(
  request: IncomingMessage,
  maxBytes: number,
  inFlight: InFlight,
  deadline: Deadline,
): Promise<Body | Problem | Aborted> {
  const { promise, resolve } = Promise.withResolvers<Buffer | Problem | Aborted>();
  const permit = inFlight.acquire(() => resolve(problems.tooMany));
  if (!permit) return problems.tooMany;
  const pieces = new BodyPieces(permit);
  request.on('data', (chunk: Buffer) => {
    if (pieces.length + chunk.length > maxBytes) resolve(problems.tooLarge);
    else if (!pieces.add(chunk)) resolve(problems.tooMany);
  });
  request.on('end', () => resolve(pieces.join()));
  request.on('error', () => resolve({ kind: 'aborted' }));
  // 'close' follows 'end' too.
  request.on('close', () => resolve({ kind: 'aborted' }));
  deadline.whenPassed(() => resolve(problems.slowBody));
  const body = await promise;
  if (Buffer.isBuffer(body)) {
    permit.complete();
    return { kind: 'body', bytes: body, permit };
  }
  request.removeAllListeners('data');
  pieces.clear();
  permit.release();
  return body;
}

/**
 * Smaller pieces are copied into blocks of this size: a Buffer costs a hundred bytes and more, and
 * a body may come byte by byte.
 */
const blockBytes = 16 * 1024;

/** Collects the pieces of a body. A length that is only announced costs nothing. */
class BodyPieces {
  readonly #permit: Permit;
  #pieces: Buffer[] = [];
  #block: Buffer | undefined;
  #used = 0;
  length = 0;

  constructor(permit: Permit) {
    this.#permit = permit;
  }

  /** Returns false if there is no memory for the piece. */
  add(piece: Buffer): boolean {
    const isFirst = this.length === 0;
    this.length += piece.length;
    // The first piece is nearly always the whole body: it is not copied.
    if (!isFirst && piece.length < blockBytes) return this.#copy(piece);
    this.#closeBlock();
    this.#pieces.push(piece);
    return this.#permit.grow(piece.length);
  }

  #copy(piece: Buffer): boolean {
    if (!this.#block || this.#used + piece.length > blockBytes) {
      this.#closeBlock();
      if (!this.#permit.grow(blockBytes)) return false;
      this.#block = Buffer.allocUnsafeSlow(blockBytes);
    }
    this.#used += piece.copy(this.#block, this.#used);
    return true;
  }

  #closeBlock(): void {
    if (this.#block) this.#pieces.push(this.#block.subarray(0, this.#used));
    this.#block = undefined;
    this.#used = 0;
  }

  join(): Buffer {
    this.#closeBlock();
    const [first, ...others] = this.#pieces;
    return first && others.length === 0 ? first : Buffer.concat(this.#pieces, this.length);
  }

  /** Drops the pieces: the request may live on for a while, and refers to this. */
  clear(): void {
    this.#pieces = [];
    this.#block = undefined;
  }
}
