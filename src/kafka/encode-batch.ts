/** Writes Kafka's record batch, format 2, in one pass: KafkaJS's own encoder takes six times the CPU. `decode-batch.ts` reads it. */

import { type ByteWriter, varintSize, varlongSize } from './bytes.ts';
import { crc32c } from './crc32c.ts';

type HeaderValue = Buffer | string | null | undefined;

/** A record as KafkaJS takes it; a header with several values is written once for each. */
export type WritableRecord = {
  readonly key?: Buffer | string | null;
  readonly value: Buffer | string | null;
  readonly headers?: { readonly [name: string]: HeaderValue | readonly (Buffer | string)[] };
  /** Milliseconds since 1970, as a decimal string; now where absent. */
  readonly timestamp?: string;
};

export type BatchOptions = {
  /** -1 without idempotence. */
  readonly producerId: bigint;
  readonly producerEpoch: number;
  readonly firstSequence: number;
  readonly isTransactional: boolean;
  readonly nowMs: number;
};

const transactionalBit = 0x10;
/** Bytes from the base offset to the number of records, that number included. */
const overhead = 61;
/** The checksum covers everything from the attributes on. */
const attributesAt = 21;

type Sized = {
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: readonly (readonly [name: Buffer, value: Buffer | null])[];
  readonly timestampDelta: number;
  /** Bytes after the record's own length field. */
  readonly size: number;
};

/** How many bytes the batch of these records will take: what brokers compare with max.message.bytes. */
export function recordBatchSize(records: readonly WritableRecord[], nowMs: number): number {
  return layOut(records, nowMs).size;
}

function layOut(records: readonly WritableRecord[], nowMs: number) {
  const timestamps = records.map(({ timestamp }) =>
    timestamp === undefined ? nowMs : Number(timestamp),
  );
  const first = timestamps.reduce((a, b) => Math.min(a, b));
  const sized = records.map((record, i) => measure(record, i, (timestamps[i] as number) - first));
  const size = sized.reduce((sum, one) => sum + varintSize(one.size) + one.size, overhead);
  return { timestamps, first, sized, size };
}

/** A batch that is measured, and can be written where there is room for it. */
export type PlannedBatch = {
  readonly size: number;
  readonly writeTo: (out: ByteWriter) => void;
};

export function planRecordBatch(
  records: readonly WritableRecord[],
  options: BatchOptions,
): PlannedBatch {
  const { timestamps, first, sized, size } = layOut(records, options.nowMs);
  const writeTo = (out: ByteWriter) => {
    const start = out.position;
    out
      .int64(0n)
      .int32(size - 12) // length, after base offset and length themselves
      .int32(-1) // partition leader epoch: set by the broker
      .int8(2) // magic: format 2
      .int32(0) // checksum: filled in below
      .int16(options.isTransactional ? transactionalBit : 0)
      .int32(records.length - 1)
      .int64(BigInt(first))
      .int64(BigInt(timestamps.reduce((a, b) => Math.max(a, b))))
      .int64(options.producerId)
      .int16(options.producerEpoch)
      .int32(options.firstSequence)
      .int32(records.length);
    sized.forEach((one, i) => {
      writeRecord(out, one, i);
    });
    const from = start + attributesAt;
    out.buffer.writeUInt32BE(crc32c(out.buffer, from, out.position), from - 4);
  };
  return { size, writeTo };
}

function measure(record: WritableRecord, offsetDelta: number, timestampDelta: number): Sized {
  const key = bufferOf(record.key);
  const value = bufferOf(record.value);
  const headers = headersOf(record);
  let size = 1 + varlongSize(timestampDelta) + varintSize(offsetDelta);
  size += fieldSize(key) + fieldSize(value) + varintSize(headers.length);
  for (const [name, text] of headers) size += fieldSize(name) + fieldSize(text);
  return { key, value, headers, timestampDelta, size };
}

function fieldSize(bytes: Buffer | null): number {
  return bytes === null ? 1 : varintSize(bytes.length) + bytes.length;
}

function bufferOf(value: HeaderValue): Buffer | null {
  if (value === null || value === undefined) return null;
  return typeof value === 'string' ? Buffer.from(value) : value;
}

/** Header names repeat from record to record; their bytes are kept. Bounded: names that strangers chose could be many. */
const nameBytes = new Map<string, Buffer>();

function bytesOfName(name: string): Buffer {
  const known = nameBytes.get(name);
  if (known) return known;
  const bytes = Buffer.from(name);
  if (nameBytes.size < 1_000) nameBytes.set(name, bytes);
  return bytes;
}

function headersOf({ headers }: WritableRecord): (readonly [Buffer, Buffer | null])[] {
  const list: (readonly [Buffer, Buffer | null])[] = [];
  for (const name in headers) {
    const value = headers[name];
    const bytes = bytesOfName(name);
    if (Array.isArray(value)) for (const one of value) list.push([bytes, bufferOf(one)]);
    else list.push([bytes, bufferOf(value as HeaderValue)]);
  }
  return list;
}

function writeRecord(out: ByteWriter, record: Sized, offsetDelta: number): void {
  out.varint(record.size).int8(0).varlong(record.timestampDelta).varint(offsetDelta);
  writeField(out, record.key);
  writeField(out, record.value);
  out.varint(record.headers.length);
  for (const [name, value] of record.headers) {
    writeField(out, name);
    writeField(out, value);
  }
}

function writeField(out: ByteWriter, bytes: Buffer | null): void {
  if (bytes === null) out.varint(-1);
  else out.varint(bytes.length).bytes(bytes);
}
