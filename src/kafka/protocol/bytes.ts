/**
 * Reads and writes Kafka's primitive types: big-endian integers, length-prefixed strings, zig-zag
 * varints.
 */

/** Writes into a buffer of known size. */
export class ByteWriter {
  readonly buffer: Buffer;
  position: number;

  /** @param head bytes to leave free at the start */
  constructor(size: number, head = 0) {
    this.buffer = Buffer.allocUnsafe(head + size);
    this.position = head;
  }

  int8(value: number): this {
    this.position = this.buffer.writeInt8(value, this.position);
    return this;
  }

  int16(value: number): this {
    this.position = this.buffer.writeInt16BE(value, this.position);
    return this;
  }

  int32(value: number): this {
    this.position = this.buffer.writeInt32BE(value, this.position);
    return this;
  }

  int64(value: bigint): this {
    this.position = this.buffer.writeBigInt64BE(value, this.position);
    return this;
  }

  /** STRING or NULLABLE_STRING. */
  string(value: string | null): this {
    if (value === null) return this.int16(-1);
    return this.int16(Buffer.byteLength(value)).text(value);
  }

  /** Writes UTF-8 without a length. */
  text(value: string): this {
    this.position += this.buffer.write(value, this.position);
    return this;
  }

  bytes(value: Buffer): this {
    this.position += value.copy(this.buffer, this.position);
    return this;
  }

  /** An UNSIGNED_VARINT of at most 32 bits. */
  unsignedVarint(value: number): this {
    let rest = value >>> 0;
    while (rest > 0x7f) {
      this.buffer[this.position++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.buffer[this.position++] = rest;
    return this;
  }

  /** A varint of at most 32 bits. */
  varint(value: number): this {
    return this.unsignedVarint((value << 1) ^ (value >> 31));
  }

  /** A varint of at most 53 bits. */
  varlong(value: number): this {
    let rest = value < 0 ? -2 * value - 1 : 2 * value;
    while (rest > 0x7f) {
      this.buffer[this.position++] = (rest % 128) | 0x80;
      rest = Math.floor(rest / 128);
    }
    this.buffer[this.position++] = rest;
    return this;
  }
}

export function varintSize(value: number): number {
  let rest = ((value << 1) ^ (value >> 31)) >>> 0;
  let size = 1;
  while (rest > 0x7f) {
    rest >>>= 7;
    size += 1;
  }
  return size;
}

export function varlongSize(value: number): number {
  let rest = value < 0 ? -2 * value - 1 : 2 * value;
  let size = 1;
  while (rest > 0x7f) {
    rest = Math.floor(rest / 128);
    size += 1;
  }
  return size;
}

export function stringSize(value: string | null): number {
  return 2 + (value === null ? 0 : Buffer.byteLength(value));
}

/** Reads a buffer from its start. */
export class ByteReader {
  readonly buffer: Buffer;
  position = 0;

  constructor(buffer: Buffer, position = 0) {
    this.buffer = buffer;
    this.position = position;
  }

  get remaining(): number {
    return this.buffer.length - this.position;
  }

  int8(): number {
    return this.buffer.readInt8(this.position++);
  }

  int16(): number {
    this.position += 2;
    return this.buffer.readInt16BE(this.position - 2);
  }

  int32(): number {
    this.position += 4;
    return this.buffer.readInt32BE(this.position - 4);
  }

  int64(): bigint {
    this.position += 8;
    return this.buffer.readBigInt64BE(this.position - 8);
  }

  string(): string {
    const length = this.int16();
    this.position += length;
    return this.buffer.toString('utf8', this.position - length, this.position);
  }

  /** Returns a slice, not a copy; null if the length is -1. */
  bytes(length: number): Buffer | null {
    if (length < 0) return null;
    this.position += length;
    return this.buffer.subarray(this.position - length, this.position);
  }

  /** An UNSIGNED_VARINT of at most 32 bits. */
  unsignedVarint(): number {
    let value = 0;
    let shift = 0;
    let byte: number;
    do {
      byte = this.buffer[this.position++] as number;
      value |= (byte & 0x7f) << shift;
      shift += 7;
    } while (byte & 0x80);
    return value >>> 0;
  }

  /** A varint of at most 32 bits. */
  varint(): number {
    const value = this.unsignedVarint();
    return (value >>> 1) ^ -(value & 1);
  }

  /** COMPACT_STRING or COMPACT_NULLABLE_STRING. */
  compactString(): string | null {
    return this.bytes(this.unsignedVarint() - 1)?.toString('utf8') ?? null;
  }

  /** COMPACT_ARRAY: runs `read` for each element. */
  compactArray<T>(read: () => T): T[] {
    return Array.from({ length: Math.max(0, this.unsignedVarint() - 1) }, read);
  }

  /** Skips the tagged fields that end a flexible structure. We need none of them. */
  skipTags(): void {
    for (let left = this.unsignedVarint(); left > 0; left -= 1) {
      this.unsignedVarint();
      this.position += this.unsignedVarint();
    }
  }

  /** A varint of at most 53 bits. */
  varlong(): number {
    let value = 0;
    let factor = 1;
    let byte: number;
    do {
      byte = this.buffer[this.position++] as number;
      value += (byte & 0x7f) * factor;
      factor *= 128;
    } while (byte & 0x80);
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  /** Runs `read` as often as an int32 says. */
  array<T>(read: () => T): T[] {
    return Array.from({ length: Math.max(0, this.int32()) }, read);
  }
}
