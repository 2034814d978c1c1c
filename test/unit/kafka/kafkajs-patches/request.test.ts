import fc from 'fast-check';
import { expect, test } from 'vitest';
import { internalModule } from '../../../../src/kafka/kafkajs-patches/modules.ts';
import { createRequest } from '../../../../src/kafka/kafkajs-patches/request.ts';

type Encoder = {
  readonly buffer: Buffer;
  size(): number;
  writeInt16(value: number): Encoder;
  writeInt32(value: number): Encoder;
  writeString(value: string): Encoder;
  writeEncoder(value: Encoder): Encoder;
  writeBufferInternal(value: Buffer): void;
};
const KafkaEncoder = internalModule<new () => Encoder>('protocol/encoder');

/** Encodes a request like kafkajs/src/protocol/request.js, which is replaced. */
function encodeLikeKafkaJs(
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

test("a request has the same bytes as from KafkaJS's own encoder", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.nat(70),
      fc.nat(12),
      fc.nat(2 ** 31 - 1),
      fc.string({ unit: 'grapheme', maxLength: 40 }),
      fc.uint8Array({ maxLength: 3_000 }),
      async (apiKey, apiVersion, correlationId, clientId, bytes) => {
        const body = Buffer.from(bytes);
        const expected = encodeLikeKafkaJs(apiKey, apiVersion, correlationId, clientId, body);
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
