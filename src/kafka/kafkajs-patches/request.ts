/**
 * How KafkaJS lays out what it sends and receives, replaced: each request, and each answer, in one piece of memory. Its own writes a request into
 * a buffer that it doubles (and clears) until it fits, then into a second and a third (protocol/request.js): a produce request of 0.6 MB takes
 * 3 MB and four copies. And it keeps what it receives as 64 KB chunks, which it joins when the last has come (connection.js:488). And what is asked of
 * a broker in one turn leaves in one write to the socket, which is the dearest step of a small request (about 90 µs on loopback).
 */

import type { Writable } from 'node:stream';
import { requirePart } from './modules.ts';

type Request = {
  readonly correlationId: number;
  readonly clientId: string;
  readonly request: {
    readonly apiKey: number;
    readonly apiVersion: number;
    /** Ours (`kafka/cluster.ts`) leaves the bytes of the head free before the body, and says so. */
    readonly encode: (
      head: number,
    ) => Promise<{ readonly buffer: Buffer; readonly hasHead?: true }>;
  };
};

const lengthBytes = 4;
/** Api key and version, correlation id, length of the client id. */
const headBytes = 2 + 2 + 4 + 2;

/** Has the signature of kafkajs/src/protocol/request. */
export async function createRequest({
  correlationId,
  clientId,
  request: { apiKey, apiVersion, encode },
}: Request): Promise<{ readonly buffer: Buffer }> {
  const idBytes = Buffer.byteLength(clientId);
  const head = lengthBytes + headBytes + idBytes;
  const { buffer, hasHead } = await encode(head);
  const frame = hasHead ? buffer : Buffer.allocUnsafe(head + buffer.length);
  let at = frame.writeInt32BE(frame.length - lengthBytes);
  at = frame.writeInt16BE(apiKey, at);
  at = frame.writeInt16BE(apiVersion, at);
  at = frame.writeInt32BE(correlationId, at);
  at = frame.writeInt16BE(idBytes, at);
  at += frame.write(clientId, at);
  if (!hasHead) buffer.copy(frame, at);
  return { buffer: frame };
}

/** What is written from now on waits for the end of the turn of the event loop, and leaves together. */
export function joinWrites(socket: Writable): void {
  const { write } = socket;
  let isCorked = false;
  socket.write = (...chunk: unknown[]) => {
    if (!isCorked) {
      isCorked = true;
      socket.cork();
      // After all promises that are settled by now.
      process.nextTick(() => {
        isCorked = false;
        socket.uncork();
      });
    }
    return write.apply(socket, chunk as Parameters<typeof write>);
  };
}

type Connection = {
  readonly authHandlers: object | null;
  readonly requestQueue: { fulfillRequest(answer: ReceivedResponse): void };
  processData(bytes: Buffer): void;
};

type ReceivedResponse = {
  readonly size: number;
  readonly correlationId: number;
  readonly payload: Buffer;
};

/** Of the length and the correlation id. */
const answerHeadBytes = 8;

/** The answer that is being received: its head until it is whole, then its body. */
export class Assembler {
  readonly #head = Buffer.alloc(answerHeadBytes);
  #body: Buffer | undefined;
  #filled = 0;

  /** Takes what came; answers those that are whole with it. None of them is a slice of what came. */
  take(bytes: Buffer): readonly ReceivedResponse[] {
    const answers: ReceivedResponse[] = [];
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
        // The correlation id counts to the length.
        this.#body = Buffer.allocUnsafeSlow(Math.max(0, this.#head.readInt32BE(0) - 4));
      }
      if (!fill(this.#body)) break;
      const payload = this.#body;
      const correlationId = this.#head.readInt32BE(4);
      answers.push({ size: this.#head.readInt32BE(0), correlationId, payload });
      this.#body = undefined;
      this.#filled = 0;
    }
    return answers;
  }
}

const assemblers = new WeakMap<Connection, Assembler>();

/** For the next socket of the connection: what came of the last one is not to be read before it. */
export function forgetReceived(connection: object): void {
  assemblers.delete(connection as Connection);
}

export function patchRequest(): void {
  const { prototype } = requirePart('kafkajs/src/network/connection') as { prototype: Connection };
  const { processData } = prototype;
  prototype.processData = function receiving(this: Connection, bytes: Buffer): void {
    // The steps of SASL do not all have Kafka's form. They are few and short; KafkaJS keeps what it is given.
    if (this.authHandlers) {
      processData.call(this, Buffer.from(bytes));
      return;
    }
    const assembler = assemblers.get(this) ?? new Assembler();
    assemblers.set(this, assembler);
    for (const answer of assembler.take(bytes)) this.requestQueue.fulfillRequest(answer);
  };
}
