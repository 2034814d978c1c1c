/**
 * Replaces `protocol/requests/fetch/v4/decodeMessages`. Headers are decoded when they are read. The
 * memory of the fetch response is released by `forgetMessages`.
 */

import { release, retain } from '../../buffers/lifetime.ts';
import { type BatchHeader, type ReadRecord, readBatches } from '../protocol/record-batch-reader.ts';

type Decoder = {
  readInt32(): number;
  canReadBytes(length: number): boolean;
  readBytes(length: number): Buffer;
};

type HeaderValue = Buffer | null | (Buffer | null)[];

/** The message that KafkaJS filters by offset and passes to eachBatch. */
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

  /**
   * In KafkaJS's form: a repeated name has a list of values. The object has no prototype, because a
   * header may be named `constructor`.
   */
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

/** Decodes record batches of format 2. Kafka 4 does not write earlier formats. */
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

/**
 * The bytes that a list of messages was decoded from. Several partitions share one fetch response.
 */
const origins = new WeakMap<object, Buffer>();

/** Releases the bytes of these messages. Only their offsets may be read afterwards. */
export function forgetMessages(messages: object): void {
  const bytes = origins.get(messages);
  origins.delete(messages);
  if (bytes) release(bytes);
}
