/**
 * A TCP proxy that does to chosen requests to a broker what networks do; or, before the registry,
 * only is there or not.
 */

import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** API keys of Kafka's protocol. */
export const apis = {
  Produce: 0,
  AddPartitionsToTxn: 24,
  AddOffsetsToTxn: 25,
  EndTxn: 26,
  TxnOffsetCommit: 28,
} as const;

export type Fault =
  /** It arrives late. */
  | { readonly kind: 'delay'; readonly ms: number }
  /** The connection breaks before it arrives … */
  | { readonly kind: 'cut' }
  /** The connection breaks after the request arrived, before its response. */
  | { readonly kind: 'drop-response' }
  /** The client's connection breaks at once, and the request arrives nevertheless, much later. */
  | { readonly kind: 'hold'; readonly ms: number };

export type Proxy = AsyncDisposable & {
  readonly port: number;
  /** Does this to the next request of the api. Settles when it has been done. */
  readonly inject: (api: number, fault: Fault) => Promise<void>;
};

type Order = { readonly api: number; readonly fault: Fault; readonly done: () => void };

type Options = {
  /**
   * Kafka's frames are understood; any other protocol is passed on as it comes, and `inject` does
   * nothing.
   */
  readonly isKafka: boolean;
  /** 0 takes a free one. */
  readonly port?: number;
};

export async function startProxy(
  target: { host: string; port: number },
  { isKafka, port = 0 }: Options,
): Promise<Proxy> {
  const orders: Order[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const broker = connect(target);
    for (const socket of [client, broker]) {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('error', () => undefined); // its 'close' follows
      socket.once('close', () => sockets.delete(socket));
    }
    let isHolding = false;
    broker.on('data', (bytes) => client.write(bytes));
    broker.once('close', () => client.destroy());
    client.once('close', () => {
      if (!isHolding) broker.destroy();
    });
    const forward = async (frame: Buffer) => {
      const index = orders.findIndex(({ api }) => api === frame.readInt16BE(4));
      if (index < 0) return void broker.write(frame);
      const [order] = orders.splice(index, 1) as [Order];
      const { fault } = order;
      switch (fault.kind) {
        case 'delay':
          await sleep(fault.ms);
          broker.write(frame);
          break;
        case 'cut':
          client.destroy();
          break;
        case 'drop-response':
          broker.removeAllListeners('data');
          broker.once('data', () => client.destroy());
          broker.write(frame);
          break;
        case 'hold':
          isHolding = true;
          client.destroy();
          setTimeout(() => broker.end(frame), fault.ms);
          break;
      }
      order.done();
    };
    if (!isKafka) return void client.pipe(broker);
    let waiting: Promise<unknown> = Promise.resolve();
    eachFrame(client, (frame) => {
      // In order: a delayed frame holds up those behind it.
      waiting = waiting.then(() => forward(frame));
    });
  });
  const taken = await new Promise<number>((resolve) => {
    server.listen(port, '127.0.0.1', () => resolve((server.address() as { port: number }).port));
  });
  return {
    port: taken,
    inject: (api, fault) => new Promise((done) => orders.push({ api, fault, done })),
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Kafka's requests are framed by their length, four bytes. */
function eachFrame(socket: Socket, visit: (frame: Buffer) => void): void {
  let rest = Buffer.alloc(0);
  socket.on('data', (bytes) => {
    rest = Buffer.concat([rest, bytes]);
    while (rest.length >= 4 && rest.length >= 4 + rest.readInt32BE(0)) {
      const end = 4 + rest.readInt32BE(0);
      visit(rest.subarray(0, end));
      rest = rest.subarray(end);
    }
  });
}
