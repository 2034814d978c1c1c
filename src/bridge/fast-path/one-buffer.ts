/**
 * What connections receive, read through one buffer for all of them, as `net.connect` does with its option `onread` (Node.js docs, net). A server's
 * connections have no such option: for each read Node makes 64 KB and a piece of the length that came, a twentieth of what a webhook costs. Here a
 * connection that is already made gets what that option would give it (node's lib/net.js, `initSocketHandle`); where a version of Node keeps it
 * elsewhere, the bytes come as 'data' events.
 */

import { Socket } from 'node:net';

/** What `onread` sets on a socket, by the descriptions of its symbols. */
const symbols = Object.getOwnPropertySymbols(new Socket());
const symbolOf = (name: string) => symbols.find(({ description }) => description === name);
const bufferOf = symbolOf('kBuffer');
const callbackOf = symbolOf('kBufferCb');

type Opened = {
  readonly _handle?: { readonly useUserBuffer?: (buffer: Buffer) => void } | null;
  [symbol: symbol]: Buffer | ((length: number) => boolean);
};

/** As much as Node reads at once. */
const buffer = Buffer.allocUnsafeSlow(64 * 1024);

/** What is kept goes here, so that the least of them is no piece of memory by itself, and the longest kept does not keep much. */
const slabBytes = 32 * 1024;
let slab = Buffer.alloc(0);
let used = 0;

function kept(length: number): Buffer {
  if (length > slabBytes / 4) return Buffer.from(buffer.subarray(0, length));
  if (used + length > slab.length) {
    slab = Buffer.allocUnsafeSlow(slabBytes);
    used = 0;
  }
  buffer.copy(slab, used, 0, length);
  used += length;
  return slab.subarray(used - length, used);
}

/**
 * Takes what the connection receives from now on; nothing has been read of it.
 * @param take called with what came, in memory that is its own. It may pause the socket
 * @returns stops that: from then on it is a socket like any other
 */
export function readThroughOneBuffer(socket: Socket, take: (chunk: Buffer) => void): () => void {
  const opened = socket as unknown as Opened;
  const handle = opened._handle;
  if (!bufferOf || !callbackOf || !handle?.useUserBuffer) {
    socket.on('data', take);
    return () => socket.off('data', take);
  }
  opened[bufferOf] = buffer;
  opened[callbackOf] = (length) => {
    take(kept(length));
    return true;
  };
  handle.useUserBuffer(buffer);
  socket.resume();
  return () => {
    opened[callbackOf] = (length) => socket.push(Buffer.from(buffer.subarray(0, length)));
  };
}
