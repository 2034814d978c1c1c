/** Reads Kafka's record batches, format 2. `record-batch-writer.ts` writes them. */

import { ByteReader } from './bytes.ts';
import { decompress } from './codecs.ts';

const codecMask = 0x07;
const logAppendTimeBit = 0x08;
const transactionalBit = 0x10;
const controlBit = 0x20;
/** Bytes from the base offset up to and including the number of records. */
const overhead = 61;

export type HeaderPairs = readonly (readonly [name: string, value: Buffer | null])[];

type Base = {
  readonly baseOffset: number;
  readonly firstTimestamp: number;
  /** The broker's time of all records if the topic uses LogAppendTime. */
  readonly appendedAt: number | undefined;
};

/**
 * A decoded record. Key and value are slices of the fetched bytes; headers are decoded when they
 * are read.
 */
export class ReadRecord {
  readonly offset: number;
  readonly timestampMs: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly #buffer: Buffer;
  readonly #headersAt: number;

  constructor(reader: ByteReader, base: Base) {
    reader.int8(); // attributes: none are defined
    const timestampDelta = reader.varlong();
    this.timestampMs = base.appendedAt ?? base.firstTimestamp + timestampDelta;
    this.offset = base.baseOffset + reader.varint();
    this.key = reader.bytes(reader.varint());
    this.value = reader.bytes(reader.varint());
    this.#buffer = reader.buffer;
    this.#headersAt = reader.position;
  }

  get headers(): HeaderPairs {
    const reader = new ByteReader(this.#buffer, this.#headersAt);
    return Array.from({ length: reader.varint() }, () => {
      const name = reader.bytes(reader.varint())?.toString('utf8') ?? '';
      return [name, reader.bytes(reader.varint())] as const;
    });
  }

  /** The last value of one header as text, without reading the others. */
  header(name: string): string | undefined {
    const wanted = bytesOf(name);
    const reader = new ByteReader(this.#buffer, this.#headersAt);
    let found: string | undefined;
    for (let left = reader.varint(); left > 0; left -= 1) {
      const length = reader.varint();
      const from = reader.position;
      const isIt = length === wanted.length && isAt(this.#buffer, from, wanted);
      reader.position += length;
      const valueLength = Math.max(0, reader.varint());
      reader.position += valueLength;
      const end = reader.position;
      if (isIt) found = this.#buffer.toString('utf8', end - valueLength, end);
    }
    return found;
  }
}

/** The names that callers read are few, and chosen by us. */
const asked = new Map<string, Buffer>();

function bytesOf(name: string): Buffer {
  const bytes = asked.get(name) ?? Buffer.from(name);
  asked.set(name, bytes);
  return bytes;
}

function isAt(buffer: Buffer, from: number, wanted: Buffer): boolean {
  return buffer.compare(wanted, 0, wanted.length, from, from + wanted.length) === 0;
}

export type BatchHeader = {
  readonly end: number;
  readonly baseOffset: number;
  readonly lastOffset: number;
  readonly isTransactional: boolean;
  readonly isControl: boolean;
  readonly producerId: bigint;
  /** The greatest timestamp of its records, in milliseconds since 1970. */
  readonly maxTimestampMs: number;
  readonly records: () => Iterable<ReadRecord>;
};

/**
 * Yields the complete batches of a fetch, in order. A batch that is cut off at the end is left for
 * the next fetch.
 */
export function* readBatches(buffer: Buffer): Iterable<BatchHeader> {
  for (let at = 0; at + overhead <= buffer.length; ) {
    const batch = readBatch(buffer, at);
    if (batch.end > buffer.length) return;
    yield batch;
    at = batch.end;
  }
}

function readBatch(buffer: Buffer, at: number): BatchHeader {
  const end = at + 12 + buffer.readInt32BE(at + 8);
  const baseOffset = Number(buffer.readBigInt64BE(at));
  const attributes = buffer.readInt16BE(at + 21);
  const firstTimestamp = Number(buffer.readBigInt64BE(at + 27));
  const maxTimestampMs = Number(buffer.readBigInt64BE(at + 35));
  const appendedAt = attributes & logAppendTimeBit ? maxTimestampMs : undefined;
  const count = buffer.readInt32BE(at + 57);
  return {
    end,
    baseOffset,
    lastOffset: baseOffset + buffer.readInt32BE(at + 23),
    isTransactional: (attributes & transactionalBit) !== 0,
    isControl: (attributes & controlBit) !== 0,
    producerId: buffer.readBigInt64BE(at + 43),
    maxTimestampMs,
    records: function* records() {
      const body = decompress(attributes & codecMask, buffer.subarray(at + overhead, end));
      const reader = new ByteReader(body);
      for (let i = 0; i < count; i += 1) {
        const length = reader.varint();
        const next = reader.position + length;
        yield new ReadRecord(reader, { baseOffset, firstTimestamp, appendedAt });
        reader.position = next;
      }
    },
  };
}

type AbortedTransaction = { readonly producerId: bigint; readonly firstOffset: number };

/**
 * Visits the committed records of fetched batches, from `from` on. Returns where the next fetch
 * starts. Unlike KafkaJS's filter this follows the protocol: it takes aborted transactions in the
 * order of their first offsets, in whatever order the broker lists them, distinguishes several of
 * one producer, and ends one only at the marker in a control batch.
 */
export function readCommitted(
  buffer: Buffer,
  from: number,
  aborted: readonly AbortedTransaction[],
  visit: (record: ReadRecord) => void,
): number {
  const begins = [...aborted].sort((a, b) => a.firstOffset - b.firstOffset);
  const open = new Set<bigint>();
  let next = from;
  for (const batch of readBatches(buffer)) {
    for (let begin = begins[0]; begin && begin.firstOffset <= batch.lastOffset; begin = begins[0]) {
      open.add(begin.producerId);
      begins.shift();
    }
    if (batch.isControl) {
      if (isAbortMarker(batch)) open.delete(batch.producerId);
    } else if (!batch.isTransactional || !open.has(batch.producerId)) {
      for (const record of batch.records()) if (record.offset >= from) visit(record);
    }
    next = Math.max(next, batch.lastOffset + 1);
  }
  return next;
}

/** The key of a control record has its version and its type, two bytes each. Type 0 is ABORT. */
function isAbortMarker(batch: BatchHeader): boolean {
  for (const { key } of batch.records()) return key?.readInt16BE(2) === 0;
  return false;
}
