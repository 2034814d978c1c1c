/**
 * Balances connections over the workers of one port. The supervisor accepts each connection, and
 * sends it to the worker with the fewest. (node:cluster sends the next one to the worker that
 * confirmed the last one first: of 64 that came at once one of two workers got up to 52, and
 * responded to these last.) So a new worker gets the next connections, and what was on its way to a
 * worker that died goes to another.
 */

import type { Worker } from 'node:cluster';
import { createServer, type Server, type Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { AboutConnections, ToWorker } from './messages.ts';

/** Binds the server, and returns its port. @throws AppError PORT_UNAVAILABLE */
export type Bind = (server: Server) => Promise<number>;

type Taker = {
  readonly worker: Worker;
  wantsMore: boolean;
  /** Open connections, by its last message. */
  open: number;
  /** Connections on their way to it, the oldest first; each is kept until it is taken. */
  readonly inFlight: Socket[];
  /** When it last took a connection, or was sent the first one that it has not taken. */
  lastSignMs: number;
};

/**
 * A worker that has not taken a connection for this long hangs. It gets no more while there is
 * another.
 */
const hangsAfterMs = 200;

export class ConnectionBalancer {
  readonly #bind: Bind;
  readonly #hangsAfterMs: number;
  readonly #server = createServer(
    // As Node's HTTP server would accept them.
    { allowHalfOpen: true, noDelay: true, pauseOnConnect: true },
    (socket) => this.#accepted(socket),
  );
  #port: Promise<number> | undefined;
  readonly #takers = new Map<Worker, Taker>();
  /** Connections that came while there was no worker. */
  readonly #waiting: Socket[] = [];

  constructor(bind: Bind, hangsAfter = hangsAfterMs) {
    this.#bind = bind;
    this.#hangsAfterMs = hangsAfter;
    // An accept may fail, for example without file descriptors. (`bind` reports a port that cannot
    // be opened.)
    this.#server.on('error', () => undefined);
  }

  /** @throws AppError if the port cannot be opened for the first worker */
  async onMessage(worker: Worker, message: AboutConnections): Promise<void> {
    switch (message.kind) {
      case 'takes-connections':
        return await this.#join(worker);
      case 'takes-no-connections':
        return await this.#leave(worker);
      case 'has-connections':
        return this.#taken(worker, message);
    }
  }

  /**
   * Call it when a worker has ended. (Its 'disconnect' may never come if a connection was on its
   * way to it.)
   */
  async onExit(worker: Worker): Promise<void> {
    // Its last messages come first, so that no other worker gets what it had taken.
    await someTurns();
    const inFlight = this.#takers.get(worker)?.inFlight ?? [];
    this.#takers.delete(worker);
    for (const socket of inFlight) this.#send(socket);
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#waiting.splice(0)) socket.destroy();
  }

  async #join(worker: Worker): Promise<void> {
    this.#port ??= this.#bind(this.#server);
    const port = await this.#port;
    if (!worker.isConnected()) return;
    tell(worker, { kind: 'port', port });
    this.#takers.set(worker, { worker, wantsMore: true, open: 0, inFlight: [], lastSignMs: 0 });
    for (const socket of this.#waiting.splice(0)) this.#send(socket);
  }

  #taken(worker: Worker, { taken, open }: { readonly taken: number; readonly open: number }): void {
    const taker = this.#takers.get(worker);
    if (!taker) return;
    taker.open = open;
    taker.lastSignMs = performance.now();
    // The worker's own descriptor stays open.
    for (const socket of taker.inFlight.splice(0, taken)) socket.destroy();
  }

  /** Closes the port with the last worker. */
  async #leave(worker: Worker): Promise<void> {
    const taker = this.#takers.get(worker);
    const others = this.#willing().filter((one) => one !== taker);
    if (others.length === 0) {
      await untilAllAccepted(this.#server);
      this.close();
    }
    if (taker) taker.wantsMore = false;
    tell(worker, { kind: 'last-connection' });
  }

  #accepted(socket: Socket): void {
    socket.on('error', () => undefined);
    // Otherwise Node makes each worker keep a list of them, to query it when the server closes.
    Object.assign(socket, { server: null });
    this.#send(socket);
  }

  #send(socket: Socket): void {
    const taker = this.#next();
    if (!taker) {
      if (this.#server.listening) this.#waiting.push(socket);
      else socket.destroy();
      return;
    }
    if (taker.inFlight.length === 0) taker.lastSignMs = performance.now();
    taker.inFlight.push(socket);
    const message: ToWorker = { kind: 'connection' };
    // If it cannot be sent, it goes to another worker when this one's end is noticed.
    taker.worker.send(message, socket, { keepOpen: true }, () => undefined);
  }

  #next(): Taker | undefined {
    const willing = this.#willing();
    const now = performance.now();
    const hangs = ({ inFlight, lastSignMs }: Taker) =>
      inFlight.length > 0 && now - lastSignMs > this.#hangsAfterMs;
    const able = willing.filter((taker) => !hangs(taker));
    return leastLoaded(able.length > 0 ? able : willing);
  }

  #willing(): readonly Taker[] {
    return [...this.#takers.values()].filter(({ wantsMore }) => wantsMore);
  }
}

/**
 * Settles when nothing waits to be accepted any more: the kernel resets what does when a server
 * closes. Node accepts one connection per turn of the event loop.
 */
export async function untilAllAccepted(server: Server): Promise<void> {
  let isOneMore = true;
  const onConnection = () => {
    isOneMore = true;
  };
  server.on('connection', onConnection);
  for (let left = maxBacklog; isOneMore && left > 0; left -= 1) {
    isOneMore = false;
    await someTurns();
  }
  server.off('connection', onConnection);
}

/** Node's default: no more connections can wait to be accepted. */
const maxBacklog = 511;

/** Lets the event loop handle what has reached this process, and what follows from it. */
export async function someTurns(): Promise<void> {
  for (let turns = 0; turns < 3; turns += 1) await nextTurn();
}

/** Sends a message. The death of a worker at this moment is noticed by its 'exit'. */
function tell(worker: Worker, message: ToWorker): void {
  worker.send(message, () => undefined);
}

function leastLoaded(takers: readonly Taker[]): Taker | undefined {
  const load = ({ open, inFlight }: Taker) => open + inFlight.length;
  return takers.reduce<Taker | undefined>(
    (least, taker) => (least === undefined || load(taker) < load(least) ? taker : least),
    undefined,
  );
}
