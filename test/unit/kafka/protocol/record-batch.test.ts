/** encode-batch.ts and decode-batch.ts, against each other and against KafkaJS's own code. */

import { createRequire } from 'node:module';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { compressFrameSync } from 'lz4-napi';
import { compressSync as snappyCompressSync } from 'snappy';
import { expect, test } from 'vitest';
import {
  type ReadRecord,
  readBatches,
  readCommitted,
} from '../../../../src/kafka/protocol/record-batch-reader.ts';
import { encodeRecordBatch } from '../../../support/record-batch.ts';

const require = createRequire(import.meta.url);
const { RecordBatch } = require('kafkajs/src/protocol/recordBatch/v0');
const kafkaRecord = require('kafkajs/src/protocol/recordBatch/record/v0');

const options = {
  producerId: 5n,
  producerEpoch: 2,
  firstSequence: 9,
  isTransactional: true,
  nowMs: 1_700_000_000_000,
};
const bytes = fc.uint8Array({ maxLength: 200 }).map((list) => Buffer.from(list));
const name = fc.string({ minLength: 1, maxLength: 12 }).filter((text) => text !== '__proto__');
const record = fc.record({
  key: fc.option(bytes),
  value: fc.option(bytes),
  headers: fc.dictionary(name, bytes, { maxKeys: 4, noNullPrototype: true }),
});
const records = fc.array(record, { minLength: 1, maxLength: 20 });

const read = (batch: Buffer): ReadRecord[] =>
  [...readBatches(batch)].flatMap((one) => [...one.records()]);

test("a batch is, byte for byte, KafkaJS's (but for the leader epoch, which the broker sets)", async () => {
  await fc.assert(
    fc.asyncProperty(records, async (list) => {
      const theirs = await RecordBatch({
        records: list.map((one, i) => kafkaRecord({ ...one, offsetDelta: i, timestampDelta: 0 })),
        firstTimestamp: options.nowMs,
        maxTimestamp: options.nowMs,
        partitionLeaderEpoch: -1,
        lastOffsetDelta: list.length - 1,
        transactional: true,
        producerId: '5',
        producerEpoch: 2,
        firstSequence: 9,
      });
      expect(encodeRecordBatch(list, options).equals(theirs.buffer)).toBe(true);
    }),
    { numRuns: 200 },
  );
});

test('what is encoded is decoded', () => {
  fc.assert(
    fc.property(records, (list) => {
      const decoded = read(encodeRecordBatch(list, options));
      expect(
        decoded.map(({ key, value, headers }) => ({
          key,
          value,
          headers: Object.fromEntries(headers),
        })),
      ).toEqual(list.map(({ key = null, value, headers = {} }) => ({ key, value, headers })));
      expect(decoded.map(({ offset }) => offset)).toEqual(list.map((_, i) => i));
    }),
  );
});

test('a header with several values keeps them all, and null', () => {
  const [decoded] = read(
    encodeRecordBatch([{ value: 'v', headers: { a: ['1', '2'], b: null } }], options),
  );
  expect(decoded?.headers.map(([key, value]) => [key, value?.toString()])).toEqual([
    ['a', '1'],
    ['a', '2'],
    ['b', undefined],
  ]);
});

test('timestamps are kept, the earliest being the base', () => {
  const list = [
    { value: 'a', timestamp: '1700000005000' },
    { value: 'b', timestamp: '1700000001000' },
    { value: 'c' },
  ];
  expect(read(encodeRecordBatch(list, options)).map(({ timestampMs }) => timestampMs)).toEqual([
    1_700_000_005_000, 1_700_000_001_000, 1_700_000_000_000,
  ]);
});

/** A batch of one record at an offset, of a producer; control batches carry a marker. */
function batchAt(
  offset: number,
  producerId: bigint,
  kind: 'data' | 'abort' | 'commit' | 'plain',
): Buffer {
  const marker = Buffer.from([0, 0, 0, kind === 'commit' ? 1 : 0]);
  const isControl = kind === 'abort' || kind === 'commit';
  const batch = encodeRecordBatch(
    [isControl ? { key: marker, value: '' } : { key: marker, value: `${producerId}@${offset}` }],
    {
      ...options,
      producerId,
      isTransactional: kind !== 'plain',
    },
  );
  batch.writeBigInt64BE(BigInt(offset), 0);
  if (isControl) batch.writeInt16BE(batch.readInt16BE(21) | 0x20, 21);
  return batch;
}

const committed = (
  batches: readonly Buffer[],
  aborted: readonly { producerId: bigint; firstOffset: number }[],
  from = 0,
) => {
  const seen: string[] = [];
  const next = readCommitted(Buffer.concat(batches), from, aborted, ({ value }) =>
    seen.push(String(value)),
  );
  return { seen, next };
};

test('records of aborted transactions are left out, in whatever order the broker lists them', () => {
  const log = [
    batchAt(0, 1n, 'data'), // aborted at 5
    batchAt(1, 2n, 'data'), // aborted at 3
    batchAt(2, 3n, 'data'), // committed at 6
    batchAt(3, 2n, 'abort'),
    batchAt(4, 1n, 'data'), // still of the transaction that began at 0
    batchAt(5, 1n, 'abort'),
    batchAt(6, 3n, 'commit'),
    batchAt(7, 1n, 'data'), // a second transaction of producer 1, committed
    batchAt(8, 1n, 'commit'),
  ];
  // By marker, as the broker does it: KafkaJS would show 1@0.
  const aborted = [
    { producerId: 2n, firstOffset: 1 },
    { producerId: 1n, firstOffset: 0 },
  ];
  expect(committed(log, aborted)).toEqual({ seen: ['3@2', '1@7'], next: 9 });
});

test('a user key that looks like an abort marker ends no transaction', () => {
  const log = [
    batchAt(0, 1n, 'data'),
    batchAt(1, 9n, 'plain'),
    batchAt(2, 1n, 'data'),
    batchAt(3, 1n, 'abort'),
  ];
  expect(committed(log, [{ producerId: 1n, firstOffset: 0 }])).toEqual({ seen: ['9@1'], next: 4 });
});

test('records before the asked offset are skipped, a cut-off batch is left for the next fetch', () => {
  const log = [
    batchAt(0, 1n, 'plain'),
    batchAt(1, 1n, 'plain'),
    batchAt(2, 1n, 'plain').subarray(0, 70),
  ];
  expect(committed(log, [], 1)).toEqual({ seen: ['1@1'], next: 2 });
});

test.each([
  ['gzip', 1, gzipSync],
  ['snappy of librdkafka', 2, snappyCompressSync],
  ['lz4', 3, compressFrameSync],
  ['zstd', 4, zstdCompressSync],
] as const)(
  'a batch that is compressed with %s is read; unknown codecs are named',
  (_, codec, compress) => {
    const plain = encodeRecordBatch([{ value: 'a' }, { value: 'b' }], options);
    const body = compress(plain.subarray(61));
    const batch = Buffer.concat([plain.subarray(0, 61), body]);
    batch.writeInt32BE(batch.length - 12, 8);
    batch.writeInt16BE(codec, 21);
    expect(read(batch).map(({ value }) => String(value))).toEqual(['a', 'b']);
    batch.writeInt16BE(5, 21);
    expect(() => read(batch)).toThrow('compressed with codec 5: expected 0 to 4');
  },
);
