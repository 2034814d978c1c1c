/** Tracks the open connections, and how many responses each still waits for. */

import type { Duplex } from 'node:stream';

export class Connections {
  readonly #max: number;
  /** Pending responses by connection. */
  readonly #open = new Map<Duplex, number>();
  readonly #ending = new WeakSet<Duplex>();
  /** The last request of a connection. */
  readonly #last = new WeakMap<Duplex, { readonly complete: boolean }>();

  constructor(max: number) {
    this.#max = max;
  }

  /** Adds a new connection. Returns false, and closes it, if there are too many. */
  add(socket: Duplex): boolean {
    if (this.#open.size >= this.#max) {
      socket.destroy();
      return false;
    }
    this.#open.set(socket, 0);
    socket.once('close', () => this.#open.delete(socket));
    return true;
  }

  /** Settles when every connection is closed. */
  async allEnded(): Promise<void> {
    for (const socket of this.#open.keys()) {
      await new Promise((resolve) => socket.once('close', resolve));
    }
  }

  /** Notes a request that needs a response. @param request if its body may still be arriving */
  begin(socket: Duplex, request?: { readonly complete: boolean }): void {
    if (request) this.#last.set(socket, request);
    this.#open.set(socket, (this.#open.get(socket) ?? 0) + 1);
  }

  responded(socket: Duplex): void {
    const left = (this.#open.get(socket) ?? 1) - 1;
    if (this.#open.has(socket)) this.#open.set(socket, left);
    if (left === 0 && this.#ending.has(socket)) socket.end();
  }

  /**
   * Ends the connection after its pending responses. Returns false if none is pending: then respond
   * to the malformed input.
   */
  endAfterResponses(socket: Duplex): boolean {
    // If the malformed input is the body of the last request, that request never completes: the
    // error is its response.
    const broken = this.#last.get(socket)?.complete === false ? 1 : 0;
    if ((this.#open.get(socket) ?? 0) <= broken) return false;
    this.#ending.add(socket);
    return true;
  }

  /**
   * Closes connections without a pending response. Node waits forever for a connection that has not
   * sent anything yet.
   */
  endSilent(): void {
    for (const [socket, pending] of this.#open) if (pending === 0) socket.destroy();
  }
}
