/**
 * Patches `network/connection`. A connection is opened once and closed once, also if several
 * requests find it broken; nothing that was received before is read as part of the next
 * connection's responses; a request that times out closes the connection, as in Java's client; and
 * closing settles every request. Each response is assembled in one piece. The writes of one turn of
 * the event loop are sent together.
 */

import type { Writable } from 'node:stream';
import { explainedClosing, noteResponse } from './explain-failure.ts';
import { type Connection, connectionClosedError, isRequestTimeout } from './internals.ts';
import { prototypeOf } from './modules.ts';
import { ResponseAssembler } from './response-assembler.ts';
import { markResponding, markSilent } from './silent-brokers.ts';

/** Size of a response's length field. */
const lengthBytes = 4;

/** Closing waits for requests in flight; a join may take as long as a rebalance. */
const closeTimeoutMs = 70_000;

export function patchConnection(): void {
  const prototype = prototypeOf<Connection>('network/connection');
  prototype.connect = connectOnce(prototype.connect);
  prototype.disconnect = disconnectOnce(prototype.disconnect);
  prototype.send = closeOnTimeout(prototype.send);
  prototype.processData = assembleResponses(prototype.processData);
}

const opening = new WeakMap<Connection, Promise<true>>();
const closing = new WeakMap<Connection, Promise<true>>();
const assemblers = new WeakMap<Connection, ResponseAssembler>();

function connectOnce(connect: Connection['connect']): Connection['connect'] {
  const open = async (connection: Connection) => {
    await closing.get(connection);
    connection.chunks = [];
    connection.bytesBuffered = 0;
    connection.bytesNeeded = lengthBytes;
    assemblers.delete(connection);
    try {
      const isOpen = await connect.call(connection);
      if (connection.socket) joinWrites(connection.socket);
      return isOpen;
    } catch (error) {
      connection.socket?.destroy();
      markSilent(connection);
      throw error;
    } finally {
      opening.delete(connection);
    }
  };
  return async function patchedConnect(this: Connection) {
    if (this.isConnected()) return true;
    const attempt = opening.get(this) ?? open(this);
    opening.set(this, attempt);
    return attempt;
  };
}

function disconnectOnce(disconnect: Connection['disconnect']): Connection['disconnect'] {
  const close = async (connection: Connection): Promise<true> => {
    const { socket } = connection;
    const settleRest = () =>
      connection.rejectRequests(connectionClosedError('Closed connection', connection));
    // KafkaJS waits for the requests in flight. Each has its own time-out, and this one is longer.
    const timer = setTimeout(settleRest, closeTimeoutMs);
    try {
      await disconnect.call(connection);
    } finally {
      clearTimeout(timer);
      settleRest();
      socket?.destroy();
      closing.delete(connection);
    }
    return true;
  };
  return async function patchedDisconnect(this: Connection) {
    // A request that failed on the earlier socket must not close the one that is being opened.
    if (opening.has(this)) return true;
    const attempt = closing.get(this) ?? close(this);
    closing.set(this, attempt);
    return attempt;
  };
}

function closeOnTimeout(send: Connection['send']): Connection['send'] {
  return async function patchedSend(this: Connection, request) {
    const { socket } = this;
    try {
      const response = await send.call(this, request);
      markResponding(this);
      noteResponse(this, request);
      return response;
    } catch (error) {
      if (isRequestTimeout(error)) markSilent(this);
      // Another request may have closed the socket already, and a new one may be in its place.
      if (isRequestTimeout(error) && this.socket === socket && this.isConnected()) {
        this.rejectRequests(connectionClosedError('Closed connection: a request timed out', this));
        await this.disconnect();
      }
      throw explainedClosing(error, this);
    }
  };
}

function assembleResponses(processData: Connection['processData']): Connection['processData'] {
  return function patchedProcessData(this: Connection, bytes: Buffer): void {
    // The responses of SASL steps do not all have Kafka's form. They are few and short.
    if (this.authHandlers) {
      processData.call(this, Buffer.from(bytes));
      return;
    }
    const assembler = assemblers.get(this) ?? new ResponseAssembler();
    assemblers.set(this, assembler);
    for (const response of assembler.add(bytes)) this.requestQueue.fulfillRequest(response);
  };
}

/**
 * Makes the writes of one turn of the event loop leave together. A write to the socket is the most
 * expensive step of a small request (about 90 µs on loopback).
 */
export function joinWrites(socket: Writable): void {
  const { write } = socket;
  let isCorked = false;
  socket.write = (...chunk: unknown[]) => {
    if (!isCorked) {
      isCorked = true;
      socket.cork();
      // Runs after all promises that are settled by now.
      process.nextTick(() => {
        isCorked = false;
        socket.uncork();
      });
    }
    return write.apply(socket, chunk as Parameters<typeof write>);
  };
}
