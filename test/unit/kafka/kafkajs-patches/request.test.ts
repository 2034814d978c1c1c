/** Requests and answers in one piece of memory: as KafkaJS's own encoder writes them, and however an answer is cut up on its way. */

import { Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { setImmediate } from 'node:timers/promises';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { requirePart } from '../../../../src/kafka/kafkajs-patches/modules.ts';
import {
  Assembler,
  createRequest,
  joinWrites,
} from '../../../../src/kafka/kafkajs-patches/request.ts';

type Encoder = {
  readonly buffer: Buffer;
  size(): number;
  writeInt16(value: number): Encoder;
  writeInt32(value: number): Encoder;
  writeString(value: string): Encoder;
  writeEncoder(value: Encoder): Encoder;
  writeBufferInternal(value: Buffer): void;
};
const KafkaEncoder = requirePart('kafkajs/src/protocol/encoder') as new () => Encoder;

/** What kafkajs/src/protocol/request.js does (it is replaced). */
function theirs(
  apiKey: number,
  apiVersion: number,
  correlationId: number,
  id: string,
  body: Buffer,
) {
  const payload = new KafkaEncoder();
  payload.writeBufferInternal(body);
  const request = new KafkaEncoder()
    .writeInt16(apiKey)
    .writeInt16(apiVersion)
    .writeInt32(correlationId)
    .writeString(id)
    .writeEncoder(payload);
  return new KafkaEncoder().writeInt32(request.size()).writeEncoder(request).buffer;
}

test("a request has the bytes of KafkaJS's own encoder", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.nat(70),
      fc.nat(12),
      fc.nat(2 ** 31 - 1),
      fc.string({ unit: 'grapheme', maxLength: 40 }),
      fc.uint8Array({ maxLength: 3_000 }),
      async (apiKey, apiVersion, correlationId, clientId, bytes) => {
        const body = Buffer.from(bytes);
        const expected = theirs(apiKey, apiVersion, correlationId, clientId, body);
        const encode = async () => ({ buffer: body });
        const behindHead = async (head: number) => {
          const buffer = Buffer.alloc(head + body.length);
          buffer.set(body, head);
          return { buffer, hasHead: true } as const;
        };
        for (const one of [encode, behindHead]) {
          const request = { apiKey, apiVersion, encode: one };
          const { buffer } = await createRequest({ correlationId, clientId, request });
          expect(buffer.equals(expected)).toBe(true);
        }
      },
    ),
  );
});

test('answers come out whole and in order, however they are cut up, and are no slices of what came', () => {
  const answers = fc.array(
    fc.record({ correlationId: fc.nat(2 ** 31 - 1), payload: fc.uint8Array({ maxLength: 200 }) }),
    { maxLength: 8 },
  );
  fc.assert(
    fc.property(answers, fc.infiniteStream(fc.integer({ min: 1, max: 90 })), (list, lengths) => {
      const frames = list.map(({ correlationId, payload }) => {
        const frame = Buffer.alloc(8 + payload.length);
        frame.writeInt32BE(4 + payload.length, 0);
        frame.writeInt32BE(correlationId, 4);
        frame.set(payload, 8);
        return frame;
      });
      const all = Buffer.concat(frames);
      const assembler = new Assembler();
      const found: unknown[] = [];
      for (let at = 0; at < all.length; ) {
        const { value: length } = lengths.next();
        const chunk = Buffer.from(all.subarray(at, at + length));
        found.push(...assembler.take(chunk));
        // The socket's buffer is used again.
        chunk.fill(0xff);
        at += length;
      }
      expect(found).toEqual(
        list.map(({ correlationId, payload }) => ({
          size: 4 + payload.length,
          correlationId,
          payload: Buffer.from(payload),
        })),
      );
    }),
  );
});

test('an answer without a payload is one too', () => {
  const frame = Buffer.from([0, 0, 0, 4, 0, 0, 0, 7]);
  const [answer] = new Assembler().take(frame);
  expect(answer).toEqual({ size: 4, correlationId: 7, payload: Buffer.alloc(0) });
});

test('what is written in one turn leaves in one write, in order; what is written later in another', async () => {
  const writes: Buffer[][] = [];
  const socket = new Writable({
    write: (chunk, _encoding, done) => {
      writes.push([chunk]);
      done();
    },
    writev: (chunks, done) => {
      writes.push(chunks.map(({ chunk }) => chunk));
      done();
    },
  });
  joinWrites(socket);
  socket.write(Buffer.from('a'));
  // As the coordinator's two requests leave: one some promises later than the other.
  for (let i = 0; i < 5; i += 1) await undefined;
  socket.write(Buffer.from('b'));
  await setImmediate();
  socket.write(Buffer.from('c'));
  socket.end();
  await finished(socket);
  expect(writes.map((list) => list.map(String))).toEqual([['a', 'b'], ['c']]);
});
