/** The open connections, and how many answers each still waits for. */

import type { Duplex } from 'node:stream';

export class Connections {
  readonly #max: number;
  readonly #open = new Map<Duplex, number>();
  readonly #toEnd = new WeakSet<Duplex>();
  /** Whether the last request on it is whole. */
  readonly #last = new WeakMap<Duplex, { readonly complete: boolean }>();

  constructor(max: number) {
    this.#max = max;
  }

  /** A new one. False: it is one too many, and closed. */
  add(socket: Duplex): boolean {
    if (this.#open.size >= this.#max) {
      socket.destroy();
      return false;
    }
    this.#open.set(socket, 0);
    socket.once('close', () => this.#open.delete(socket));
    return true;
  }

  /** Settles when none is open any more. */
  async allEnded(): Promise<void> {
    for (const socket of this.#open.keys()) {
      await new Promise((resolve) => socket.once('close', resolve));
    }
  }

  /** A request on it is to be answered. @param request where its body may still be on its way */
  begin(socket: Duplex, request?: { readonly complete: boolean }): void {
    if (request) this.#last.set(socket, request);
    this.#open.set(socket, (this.#open.get(socket) ?? 0) + 1);
  }

  answered(socket: Duplex): void {
    const left = (this.#open.get(socket) ?? 1) - 1;
    if (this.#open.has(socket)) this.#open.set(socket, left);
    if (left === 0 && this.#toEnd.has(socket)) socket.end();
  }

  /** Ends the connection after its pending responses. Returns false if none is pending: then respond to the malformed input. */
  endAfterAnswer(socket: Duplex): boolean {
    // If the malformed input is the body of the last request, that request never completes: the error is its response.
    const broken = this.#last.get(socket)?.complete === false ? 1 : 0;
    if ((this.#open.get(socket) ?? 0) <= broken) return false;
    this.#toEnd.add(socket);
    return true;
  }

  /** Node waits for a connection that has not sent anything yet as for one that is being answered: for ever. */
  endSilent(): void {
    for (const [socket, answers] of this.#open) if (answers === 0) socket.destroy();
  }
}
