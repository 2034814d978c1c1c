/**
 * `make codecs`: what reading an event costs by the codec of its batch, and how large the batch is.
 * Batches of 50 webhook bodies, as the bridge writes them to raw under load.
 */

import { gzipSync, zstdCompressSync } from 'node:zlib';
import { compressFrameSync } from 'lz4-napi';
import { compressSync } from 'snappy';
import { readBatches } from '../src/kafka/protocol/record-batch-reader.ts';
import { sampleWebhook } from '../src/voucherify/sample.ts';
import { encodeRecordBatch } from '../test/support/record-batch.ts';

const recordsPerBatch = 50;
const batchesPerRun = 400;
const runs = 7;
const headerBytes = 61;

const codecs: readonly (readonly [name: string, code: number, (body: Buffer) => Buffer])[] = [
  ['uncompressed', 0, (body) => body],
  ['gzip', 1, (body) => gzipSync(body)],
  ['snappy', 2, (body) => compressSync(body)],
  ['lz4', 3, (body) => compressFrameSync(body)],
  ['zstd', 4, (body) => zstdCompressSync(body)],
];

function plainBatch(): Buffer {
  const records = Array.from({ length: recordsPerBatch }, (_, i) => ({
    key: `pub_${i}`,
    value: Buffer.from(JSON.stringify(sampleWebhook())),
  }));
  return encodeRecordBatch(records, {
    producerId: -1n,
    producerEpoch: -1,
    firstSequence: -1,
    isTransactional: false,
    nowMs: Date.now(),
  });
}

function compressed(plain: Buffer, code: number, compress: (body: Buffer) => Buffer): Buffer {
  const body = compress(plain.subarray(headerBytes));
  const batch = Buffer.concat([plain.subarray(0, headerBytes), body]);
  batch.writeInt32BE(batch.length - 12, 8);
  batch.writeInt16BE(code, 21);
  return batch;
}

/** Returns microseconds per event. */
function timeOf(batch: Buffer): number {
  const startedAt = performance.now();
  let bytes = 0;
  for (let i = 0; i < batchesPerRun; i += 1) {
    for (const { records } of readBatches(batch)) {
      for (const { value } of records()) bytes += value?.length ?? 0;
    }
  }
  if (bytes === 0) throw new Error('nothing was read');
  return ((performance.now() - startedAt) * 1_000) / (batchesPerRun * recordsPerBatch);
}

const median = (values: readonly number[]) =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] as number;

const plain = plainBatch();
const batches = codecs.map(([name, code, compress]) => ({
  name,
  batch: compressed(plain, code, compress),
  times: [] as number[],
}));
// In turns, so that the machine's moods meet all of them.
for (let run = 0; run < runs; run += 1) {
  for (const { batch, times } of batches) times.push(timeOf(batch));
}
console.log('codec         µs per event   size');
for (const { name, batch, times } of batches) {
  const size = `${((100 * batch.length) / plain.length).toFixed(0)} %`;
  console.log(`${name.padEnd(14)}${median(times).toFixed(2).padStart(12)}${size.padStart(7)}`);
}
