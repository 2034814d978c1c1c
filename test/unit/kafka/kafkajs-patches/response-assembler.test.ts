import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ResponseAssembler } from '../../../../src/kafka/kafkajs-patches/response-assembler.ts';

test('responses are complete and in order, however they are cut, and are no slices of the received bytes', () => {
  const responses = fc.array(
    fc.record({ correlationId: fc.nat(2 ** 31 - 1), payload: fc.uint8Array({ maxLength: 200 }) }),
    { maxLength: 8 },
  );
  fc.assert(
    fc.property(responses, fc.infiniteStream(fc.integer({ min: 1, max: 90 })), (list, lengths) => {
      const frames = list.map(({ correlationId, payload }) => {
        const frame = Buffer.alloc(8 + payload.length);
        frame.writeInt32BE(4 + payload.length, 0);
        frame.writeInt32BE(correlationId, 4);
        frame.set(payload, 8);
        return frame;
      });
      const all = Buffer.concat(frames);
      const assembler = new ResponseAssembler();
      const found: unknown[] = [];
      for (let at = 0; at < all.length; ) {
        const { value: length } = lengths.next();
        const chunk = Buffer.from(all.subarray(at, at + length));
        found.push(...assembler.add(chunk));
        // The socket reuses its buffer.
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

test('a response may have no payload', () => {
  const frame = Buffer.from([0, 0, 0, 4, 0, 0, 0, 7]);
  const [response] = new ResponseAssembler().add(frame);
  expect(response).toEqual({ size: 4, correlationId: 7, payload: Buffer.alloc(0) });
});
