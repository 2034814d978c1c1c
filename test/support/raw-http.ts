/** HTTP by hand, byte for byte: what a client library would refuse to send. */

import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export type RawAnswer = { readonly status: number; readonly head: string; readonly body: string };

export type Exchange = {
  readonly answers: readonly RawAnswer[];
  /** From the first byte sent to the last one received, or to the end of the connection. */
  readonly ms: number;
};

/**
 * Sends the pieces, one write each, and reads until so many answers came or the connection ends.
 * @param finish half-closes the connection after the last piece
 */
export async function exchange(
  url: string,
  pieces: readonly (Buffer | string)[],
  { expected = 1, pauseMs = 0, finish = false } = {},
): Promise<Exchange> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  const startedAt = performance.now();
  let received = Buffer.alloc(0);
  const done = Promise.withResolvers<void>();
  socket.on('data', (chunk) => {
    received = Buffer.concat([received, chunk]);
    if (answersIn(received).length >= expected) done.resolve();
  });
  socket.on('error', () => undefined); // its 'close' follows
  socket.on('close', () => done.resolve());
  socket.setNoDelay(true);
  const connected = new Promise((resolve) => socket.once('connect', resolve));
  const sending = (async () => {
    // Pieces written earlier would leave together.
    await Promise.race([connected, done.promise]);
    for (const piece of pieces) {
      if (socket.destroyed) return;
      if (!socket.write(piece)) {
        await Promise.race([new Promise((resolve) => socket.once('drain', resolve)), done.promise]);
      }
      if (pauseMs > 0) {
        await sleep(pauseMs);
        // A server in this process accepts and reads in these turns, however busy the loop was.
        for (let turns = 3; turns > 0; turns -= 1) {
          await new Promise((resolve) => setImmediate(resolve));
        }
      }
    }
    if (finish) socket.end();
  })();
  await done.promise;
  const ms = performance.now() - startedAt;
  socket.destroy();
  await sending;
  return { answers: answersIn(received), ms };
}

const endOfHead = '\r\n\r\n';

/** The complete answers; interim ones (100 Continue) are left out. */
function answersIn(received: Buffer): readonly RawAnswer[] {
  const answers: RawAnswer[] = [];
  for (let from = 0; ; ) {
    const end = received.indexOf(endOfHead, from);
    if (end < 0) return answers;
    const head = received.toString('latin1', from, end);
    const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1] ?? Number.NaN);
    const length = Number(/^content-length: (\d+)/im.exec(head)?.[1] ?? 0);
    const bodyFrom = end + endOfHead.length;
    if (received.length < bodyFrom + length) return answers;
    if (status !== 100) {
      answers.push({ status, head, body: received.toString('utf8', bodyFrom, bodyFrom + length) });
    }
    from = bodyFrom + length;
  }
}
