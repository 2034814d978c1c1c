/** Assembles responses from received bytes, each in memory of its own size. */

import type { Response } from './internals.ts';

/** Length and correlation id. */
const headBytes = 8;

export class ResponseAssembler {
  readonly #head = Buffer.alloc(headBytes);
  #body: Buffer | undefined;
  #filled = 0;

  /**
   * Adds received bytes. Returns the responses that are complete now; none of them is a slice of
   * `bytes`.
   */
  add(bytes: Buffer): readonly Response[] {
    const responses: Response[] = [];
    let at = 0;
    const fill = (target: Buffer) => {
      const copied = bytes.copy(target, this.#filled, at);
      this.#filled += copied;
      at += copied;
      return this.#filled === target.length;
    };
    while (at < bytes.length) {
      if (this.#body === undefined) {
        if (!fill(this.#head)) break;
        this.#filled = 0;
        // The length includes the correlation id.
        this.#body = Buffer.allocUnsafeSlow(Math.max(0, this.#head.readInt32BE(0) - 4));
      }
      if (!fill(this.#body)) break;
      const size = this.#head.readInt32BE(0);
      const correlationId = this.#head.readInt32BE(4);
      responses.push({ size, correlationId, payload: this.#body });
      this.#body = undefined;
      this.#filled = 0;
    }
    return responses;
  }
}
