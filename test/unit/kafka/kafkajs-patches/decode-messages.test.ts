import { createRequire } from 'node:module';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  decodeMessages,
  forgetMessages,
} from '../../../../src/kafka/kafkajs-patches/decode-messages.ts';
import type { WritableRecord } from '../../../../src/kafka/protocol/record-batch-writer.ts';
import { encodeRecordBatch } from '../../../support/record-batch.ts';

const require = createRequire(import.meta.url);
const Decoder = require('kafkajs/src/protocol/decoder');
const path = require.resolve('kafkajs/src/protocol/requests/fetch/v4/decodeMessages');
delete require.cache[path];
const theirs = require(path);

const fetched = (batches: readonly Buffer[]) => {
  const bytes = Buffer.concat(batches);
  const length = Buffer.alloc(4);
  length.writeInt32BE(bytes.length);
  return new Decoder(Buffer.concat([length, bytes]));
};

const bytes = fc.uint8Array({ maxLength: 100 }).map((list) => Buffer.from(list));
// Not what every object has: there KafkaJS takes the inherited method for an earlier value.
const name = fc.stringMatching(/^[a-z_]{1,10}$/).filter((text) => !(text in {}));
const record = fc.record({
  key: fc.option(bytes),
  value: fc.option(bytes),
  headers: fc.dictionary(name, fc.oneof(bytes, fc.tuple(bytes, bytes)), {
    maxKeys: 4,
    noNullPrototype: true,
  }),
  timestamp: fc.integer({ min: 1_700_000_000_000, max: 1_700_000_100_000 }).map(String),
});

const options = {
  producerId: 5n,
  producerEpoch: 0,
  firstSequence: 0,
  isTransactional: false,
  nowMs: 1_700_000_000_000,
};
const shown = (list: readonly Record<string, unknown>[]) =>
  list.map(({ offset, timestamp, key, value, headers, isControlRecord }) => ({
    offset,
    timestamp,
    key,
    value,
    headers: { ...(headers as object) },
    isControlRecord,
  }));

test("fetched records are those of KafkaJS's own decoder", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(record, { minLength: 1, maxLength: 10 }), { maxLength: 3 }),
      fc.boolean(),
      async (batches, isAppendTime) => {
        const encoded = batches.map((list) => encodeRecordBatch(list, options));
        for (const batch of encoded) if (isAppendTime) batch.writeInt16BE(0x08, 21);
        expect(shown((await decodeMessages(fetched(encoded))) as never)).toEqual(
          shown(await theirs(fetched(encoded))),
        );
      },
    ),
    { numRuns: 100 },
  );
});

test('the memory of a fetch response is freed when the messages of all its partitions are done', async () => {
  const value = Buffer.alloc(Buffer.poolSize, 'v');
  const batch = encodeRecordBatch([{ key: 'k', value }], options);
  const length = Buffer.alloc(4);
  length.writeInt32BE(batch.length);
  const answer = Buffer.allocUnsafeSlow(2 * (4 + batch.length));
  Buffer.concat([length, batch, length, batch]).copy(answer);
  const decoder = new Decoder(answer);
  const [first, second] = [await decodeMessages(decoder), await decodeMessages(decoder)];

  forgetMessages(first);
  forgetMessages(first); // once more is no other's release
  expect(second[0]?.value?.equals(value)).toBe(true);
  forgetMessages(second);
  expect([answer.length, second[0]?.value?.length, second[0]?.offset]).toEqual([0, 0, '0']);
});

test('headers named like members of Object are kept', async () => {
  const names = ['constructor', '__proto__', 'toString'];
  const headers = Object.fromEntries(names.map((key) => [key, Buffer.from(key)]));
  const [message] = await decodeMessages(
    fetched([encodeRecordBatch([{ value: 'v', headers }], options)]),
  );
  expect(Object.entries(message?.headers ?? {})).toEqual(
    names.map((key) => [key, Buffer.from(key)]),
  );
  const [again] = await decodeMessages(
    fetched([encodeRecordBatch([message as WritableRecord], options)]),
  );
  expect(Object.keys(again?.headers ?? {})).toEqual(names);
});

test('a batch of 200,000 records is read; KafkaJS runs out of stack', async () => {
  const big = encodeRecordBatch(
    Array.from({ length: 200_000 }, () => ({ value: 'v' })),
    options,
  );
  expect(await decodeMessages(fetched([big]))).toHaveLength(200_000);
  await expect(theirs(fetched([big]))).rejects.toThrow(RangeError);
});
