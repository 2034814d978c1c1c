/** The Confluent wire format: 0x00, the schema id as a big-endian int32, then the Avro binary. */

import type { Arena } from '../buffers/arena.ts';
import type { AvroType } from './schemas.ts';

const headerBytes = 5;

/** Returns a slice of the arena; without an arena, a Buffer of its own. */
export type Encoder<T> = (value: T, arena?: Arena) => Buffer;

export function createEncoder<T>(type: AvroType, schemaId: number): Encoder<T> {
  let scratch = Buffer.allocUnsafe(16_384);
  const write = (value: T, buffer: Buffer, at: number): number => {
    // Like an arena, avsc returns minus the number of missing bytes if the buffer is too short.
    const end = type.encode(value, buffer, at + headerBytes);
    if (end >= 0) {
      buffer[at] = 0;
      buffer.writeInt32BE(schemaId, at + 1);
    }
    return end;
  };
  return (value, arena) => {
    if (arena) return arena.write((slab, at) => write(value, slab, at));
    let end = write(value, scratch, 0);
    if (end < 0) {
      scratch = Buffer.allocUnsafe(2 * (scratch.length - end));
      end = write(value, scratch, 0);
    }
    return Buffer.from(scratch.subarray(0, end));
  };
}

/** Returns the schema id of a framed value; undefined if the bytes are not framed. */
export function schemaIdOf(value: Buffer): number | undefined {
  return value.length > headerBytes && value[0] === 0 ? value.readInt32BE(1) : undefined;
}

export function payloadOf(value: Buffer): Buffer {
  return value.subarray(headerBytes);
}
