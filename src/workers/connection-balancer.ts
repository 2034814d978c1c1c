/**
 * One port for all workers: the supervisor accepts, and gives each connection to the worker that has the fewest. (node:cluster gives the next one to
 * whoever has confirmed the last: of 64 that came at once one of two workers got up to 52, and these were answered last.) A worker that comes in the
 * place of another is so given the next ones, and what was on its way to one that died goes to another.
 */

import type { Worker } from 'node:cluster';
import { createServer, type Server, type Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { AboutConnections, ToWorker } from './messages.ts';

/** Binds the server to its port and answers it. @throws AppError PORT_UNAVAILABLE */
export type Bind = (server: Server) => Promise<number>;

type Taker = {
  readonly worker: Worker;
  wantsMore: boolean;
  /** How many it has, as it said last. */
  open: number;
  /** On their way to it, the oldest first; each kept until it is taken. */
  readonly given: Socket[];
  /** When it last took one, or was given the first that it has not taken. */
  lastSign: number;
};

/** Who has not taken what it was given for so long gets no more while there is another: its event loop hangs. */
const heldUpMs = 200;

export class ConnectionBalancer {
  readonly #bind: Bind;
  readonly #server = createServer(
    // As Node's HTTP server would have them.
    { allowHalfOpen: true, noDelay: true, pauseOnConnect: true },
    (socket) => this.#accepted(socket),
  );
  #port: Promise<number> | undefined;
  readonly #takers = new Map<Worker, Taker>();
  /** For want of a worker. */
  readonly #waiting: Socket[] = [];

  constructor(bind: Bind) {
    this.#bind = bind;
    // One that can not be accepted, for want of file descriptors say. (Whether the port could be opened is heard by who binds it.)
    this.#server.on('error', () => undefined);
  }

  /** What a worker says of connections. @throws AppError, where the port can not be opened for the first of them */
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

  /** It has ended. (Its 'disconnect' may never come where something was on its way to it.) */
  async onExit(worker: Worker): Promise<void> {
    // What it said before its end is heard first: another must not get what it had taken.
    await someTurns();
    const given = this.#takers.get(worker)?.given ?? [];
    this.#takers.delete(worker);
    for (const socket of given) this.#give(socket);
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#waiting.splice(0)) socket.destroy();
  }

  async #join(worker: Worker): Promise<void> {
    this.#port ??= this.#bind(this.#server);
    const port = await this.#port;
    if (!worker.isConnected()) return;
    send(worker, { kind: 'port', port });
    this.#takers.set(worker, { worker, wantsMore: true, open: 0, given: [], lastSign: 0 });
    for (const socket of this.#waiting.splice(0)) this.#give(socket);
  }

  #taken(worker: Worker, { taken, open }: { readonly taken: number; readonly open: number }): void {
    const taker = this.#takers.get(worker);
    if (!taker) return;
    taker.open = open;
    taker.lastSign = performance.now();
    // The worker's own descriptor stays open.
    for (const socket of taker.given.splice(0, taken)) socket.destroy();
  }

  /** With the last worker the port is closed. */
  async #leave(worker: Worker): Promise<void> {
    const taker = this.#takers.get(worker);
    const others = this.#willing().filter((one) => one !== taker);
    if (others.length === 0) {
      await untilAllAccepted(this.#server);
      this.close();
    }
    if (taker) taker.wantsMore = false;
    send(worker, { kind: 'last-connection' });
  }

  #accepted(socket: Socket): void {
    socket.on('error', () => undefined);
    // Or Node would have each worker keep a list of them, to ask it for it when the server closes.
    Object.assign(socket, { server: null });
    this.#give(socket);
  }

  #give(socket: Socket): void {
    const taker = this.#next();
    if (!taker) {
      if (this.#server.listening) this.#waiting.push(socket);
      else socket.destroy();
      return;
    }
    if (taker.given.length === 0) taker.lastSign = performance.now();
    taker.given.push(socket);
    const message: ToWorker = { kind: 'connection' };
    // One that can not be sent is given to another when the worker's end is seen.
    taker.worker.send(message, socket, { keepOpen: true }, () => undefined);
  }

  #next(): Taker | undefined {
    const willing = this.#willing();
    const now = performance.now();
    const isHeldUp = ({ given, lastSign }: Taker) => given.length > 0 && now - lastSign > heldUpMs;
    const able = willing.filter((taker) => !isHeldUp(taker));
    return fewest(able.length > 0 ? able : willing);
  }

  #willing(): readonly Taker[] {
    return [...this.#takers.values()].filter(({ wantsMore }) => wantsMore);
  }
}

/** What waits to be accepted when a server closes is reset. Settles when nothing does; in each turn of the event loop one is accepted. */
export async function untilAllAccepted(server: Server): Promise<void> {
  let isOneMore = true;
  const seen = () => {
    isOneMore = true;
  };
  server.on('connection', seen);
  for (let left = longestBacklog; isOneMore && left > 0; left -= 1) {
    isOneMore = false;
    await someTurns();
  }
  server.off('connection', seen);
}

/** Node's own: no more can wait to be accepted. */
const longestBacklog = 511;

/** For what has reached this process by now, and for what follows from it. */
export async function someTurns(): Promise<void> {
  for (let turns = 0; turns < 3; turns += 1) await nextTurn();
}

/** A worker that dies just now is seen by its end. */
function send(worker: Worker, message: ToWorker): void {
  worker.send(message, () => undefined);
}

function fewest(takers: readonly Taker[]): Taker | undefined {
  const load = ({ open, given }: Taker) => open + given.length;
  return takers.reduce<Taker | undefined>(
    (least, taker) => (least === undefined || load(taker) < load(least) ? taker : least),
    undefined,
  );
}
