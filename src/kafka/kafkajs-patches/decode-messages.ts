/**
 * KafkaJS's decoding of fetched records, replaced. Its own makes a Buffer of every header of every record, asked for or not, and spreads a
 * batch's records over the call stack, which a large batch overflows. Here headers are read when they are asked for, one of them without the others.
 */

import { release, retain } from '../../buffers/lifetime.ts';
import { type BatchHeader, type ReadRecord, readBatches } from '../protocol/record-batch-reader.ts';

type Decoder = {
  readInt32(): number;
  canReadBytes(length: number): boolean;
  readBytes(length: number): Buffer;
};

type HeaderValue = Buffer | null | (Buffer | null)[];

/** What KafkaJS filters by offset and hands on to eachBatch. */
class Message {
  readonly offset: string;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly isControlRecord: boolean;
  readonly batchContext: { readonly producerId: string; readonly inTransaction: boolean };
  readonly #record: ReadRecord;

  constructor(record: ReadRecord, batch: BatchHeader, batchContext: Message['batchContext']) {
    this.offset = String(record.offset);
    this.key = record.key;
    this.value = record.value;
    this.isControlRecord = batch.isControl;
    this.batchContext = batchContext;
    this.#record = record;
  }

  get timestamp(): string {
    return String(this.#record.timestampMs);
  }

  /** As KafkaJS has them: a name that stands several times has a list. Without a prototype: a header may be named `constructor`. */
  get headers(): Record<string, HeaderValue> {
    const headers: Record<string, HeaderValue> = Object.create(null);
    for (const [name, value] of this.#record.headers) {
      const earlier = headers[name];
      if (earlier === undefined) headers[name] = value;
      else headers[name] = Array.isArray(earlier) ? [...earlier, value] : [earlier, value];
    }
    return headers;
  }

  header(name: string): string | undefined {
    return this.#record.header(name);
  }
}

/** Has the signature of kafkajs/src/protocol/requests/fetch/v4/decodeMessages. Formats before 2 are not written any more (Kafka 4 refuses them). */
export async function decodeMessages(decoder: Decoder): Promise<readonly Message[]> {
  const length = decoder.readInt32();
  if (length <= 0 || !decoder.canReadBytes(length)) return [];
  const messages: Message[] = [];
  const bytes = decoder.readBytes(length);
  for (const batch of readBatches(bytes)) {
    const context = { producerId: String(batch.producerId), inTransaction: batch.isTransactional };
    for (const record of batch.records()) messages.push(new Message(record, batch, context));
  }
  if (messages.length > 0) {
    retain(bytes);
    origins.set(messages, bytes);
  }
  return messages;
}

/** What lists of messages were read from. Those of several partitions share an answer. */
const origins = new WeakMap<object, Buffer>();

/** Nothing of these messages, as `decodeMessages` made them, is read any more, but their offsets. */
export function forgetMessages(messages: object): void {
  const bytes = origins.get(messages);
  origins.delete(messages);
  if (bytes) release(bytes);
}
