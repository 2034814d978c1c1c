/** A request's body: read whole, within its limits of size, time and memory. */

import type { IncomingMessage } from 'node:http';
import type { InFlight, Permit } from './in-flight.ts';
import { type Problem, problems } from './problems.ts';
import type { Deadline } from './timeouts.ts';

export type Body = { readonly bytes: Buffer; readonly permit: Permit };

/** @throws Error, where the client went away before its body was complete */
export async function readBody(
  request: IncomingMessage,
  maxBytes: number,
  inFlight: InFlight,
  deadline: Deadline,
): Promise<Body | Problem> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer | Problem>();
  const permit = inFlight.enter(() => resolve(problems.tooMany));
  if (!permit) return problems.tooMany;
  const collected = new Collected(permit);
  request.on('data', (chunk: Buffer) => {
    if (collected.length + chunk.length > maxBytes) resolve(problems.tooLarge);
    else if (!collected.add(chunk)) resolve(problems.tooMany);
  });
  request.on('end', () => resolve(collected.bytes()));
  request.on('error', reject);
  request.on('close', () => {
    // It comes after the end as well, and an Error is not cheap.
    if (!request.complete) reject(new Error('the connection was closed'));
  });
  try {
    deadline.whenPassed(() => resolve(problems.slowBody));
    const body = await promise;
    if (Buffer.isBuffer(body)) {
      permit.complete();
      return { bytes: body, permit };
    }
    request.removeAllListeners('data');
    collected.forget();
    permit.leave();
    return body;
  } catch (error) {
    collected.forget();
    permit.leave();
    throw error;
  }
}

/** A smaller piece is copied into one of these, for a piece of its own costs a hundred bytes and more, and a body may come byte by byte. */
const blockBytes = 16 * 1024;

/** The pieces of a body as they come; a length that is only announced costs nothing. */
class Collected {
  readonly #permit: Permit;
  #whole: Buffer[] = [];
  #block: Buffer | undefined;
  #used = 0;
  length = 0;

  constructor(permit: Permit) {
    this.#permit = permit;
  }

  /** False where there is no memory for it. */
  add(piece: Buffer): boolean {
    const isFirst = this.length === 0;
    this.length += piece.length;
    // The first piece is nearly always the whole body: it stays where it was read.
    if (!isFirst && piece.length < blockBytes) return this.#copy(piece);
    this.#closeBlock();
    this.#whole.push(piece);
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
    if (this.#block) this.#whole.push(this.#block.subarray(0, this.#used));
    this.#block = undefined;
    this.#used = 0;
  }

  bytes(): Buffer {
    this.#closeBlock();
    const [first, ...others] = this.#whole;
    return first && others.length === 0 ? first : Buffer.concat(this.#whole, this.length);
  }

  /** The request may live on for a while, and holds this. */
  forget(): void {
    this.#whole = [];
    this.#block = undefined;
  }
}
