/** Encodes a record batch alone; in src it is written straight into the request. */

import { ByteWriter } from '../../src/kafka/protocol/bytes.ts';
import {
  type BatchOptions,
  planRecordBatch,
  type WritableRecord,
} from '../../src/kafka/protocol/record-batch-writer.ts';

export function encodeRecordBatch(
  records: readonly WritableRecord[],
  options: BatchOptions,
): Buffer {
  const { size, writeTo } = planRecordBatch(records, options);
  const out = new ByteWriter(size);
  writeTo(out);
  return out.buffer;
}
