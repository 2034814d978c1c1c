/** A request's body: read whole, within its limits of size, time and memory. */

import type { IncomingMessage } from 'node:http';
import type { Deadline } from './deadline.ts';
import type { InFlight, Place } from './in-flight.ts';
import { type Problem, problems } from './problem.ts';

export type Body = { readonly bytes: Buffer; readonly place: Place };

/** @throws Error, where the client went away before its body was complete */
export async function readBody(
  request: IncomingMessage,
  maxBytes: number,
  inFlight: InFlight,
  deadline: Deadline,
): Promise<Body | Problem> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer | Problem>();
  const place = inFlight.enter(() => resolve(problems.tooMany));
  if (!place) return problems.tooMany;
  const collected = new Collected(place);
  request.on('data', (chunk: Buffer) => {
    if (collected.length + chunk.length > maxBytes) resolve(problems.tooLarge);
    else if (!collected.add(chunk)) resolve(problems.tooMany);
  });
  request.on('end', () => resolve(collected.bytes()));
  request.on('error', reject);
  request.on('close', () => reject(new Error('the connection was closed')));
  try {
    const body = await Promise.race([promise, deadline.passed]);
    if (Buffer.isBuffer(body)) {
      place.complete();
      return { bytes: body, place };
    }
    request.removeAllListeners('data');
    place.leave();
    return body === 'passed' ? problems.slowBody : body;
  } catch (error) {
    place.leave();
    throw error;
  }
}

const noBytes = Buffer.alloc(0);

/** Chunks put together as they come: one byte a chunk must not cost an object a byte, and a length that is only announced costs nothing. */
class Collected {
  readonly #place: Place;
  #buffer: Buffer = noBytes;
  length = 0;

  constructor(place: Place) {
    this.#place = place;
  }

  /** False where there is no memory for it. */
  add(chunk: Buffer): boolean {
    const length = this.length + chunk.length;
    if (this.length === 0) {
      // Nearly always the whole body: it stays where it was read.
      if (!this.#place.grow(chunk.length)) return false;
      this.#buffer = chunk;
    } else {
      if (length > this.#buffer.length) {
        const capacity = Math.max(length, 2 * this.#buffer.length);
        if (!this.#place.grow(capacity - this.#buffer.length)) return false;
        const larger = Buffer.allocUnsafeSlow(capacity);
        this.#buffer.copy(larger, 0, 0, this.length);
        this.#buffer = larger;
      }
      chunk.copy(this.#buffer, this.length);
    }
    this.length = length;
    return true;
  }

  bytes(): Buffer {
    return this.#buffer.subarray(0, this.length);
  }
}
