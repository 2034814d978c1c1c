/** The Confluent wire format: 0x00, the schema id as a big-endian int32, then the Avro binary. */

import type { AvroType } from './schemas.ts';

const headerBytes = 5;

export type Encoder<T> = (value: T) => Buffer;

/** An encoder with a scratch buffer of its own; what it returns is a copy and may be kept. */
export function createEncoder<T>(type: AvroType, schemaId: number): Encoder<T> {
  let scratch = Buffer.allocUnsafe(16_384);
  const writeHeader = () => {
    scratch[0] = 0;
    scratch.writeInt32BE(schemaId, 1);
  };
  writeHeader();
  return (value) => {
    let end = type.encode(value, scratch, headerBytes);
    if (end < 0) {
      // avsc answers by how many bytes the buffer was too short, as a negative number.
      scratch = Buffer.allocUnsafe(2 * (scratch.length - end));
      writeHeader();
      end = type.encode(value, scratch, headerBytes);
    }
    return Buffer.from(scratch.subarray(0, end));
  };
}

/** The schema id of a framed value, or undefined where the bytes are not framed. */
export function schemaIdOf(value: Buffer): number | undefined {
  return value.length > headerBytes && value[0] === 0 ? value.readInt32BE(1) : undefined;
}

export function payloadOf(value: Buffer): Buffer {
  return value.subarray(headerBytes);
}
