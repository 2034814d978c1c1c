/**
 * Decodes framed Avro of any registered schema version into this build's records. Bytes that cannot
 * be decoded are a value with a reason; only an unreachable registry throws.
 */

import { messageOf } from '../errors.ts';
import { payloadOf, schemaIdOf } from './encoder.ts';
import type { Registry } from './registry.ts';
import { type AvroType, type Resolver, typeOf } from './schemas.ts';

export type Undecodable = {
  readonly kind: 'undecodable';
  readonly reason: 'null-value' | 'not-avro' | 'unknown-schema' | 'unexpected-schema';
  readonly message: string;
};

export type DecodeResult<T> = { readonly kind: 'decoded'; readonly value: T } | Undecodable;

type KnownSchema = { readonly kind: 'resolver'; readonly resolver: Resolver } | Undecodable;

export class Decoder<T> {
  readonly #reader: AvroType;
  readonly #registry: Pick<Registry, 'schemaText'>;
  readonly #known = new Map<number, KnownSchema>();

  constructor(reader: AvroType, registry: Pick<Registry, 'schemaText'>) {
    this.#reader = reader;
    this.#registry = registry;
  }

  /**
   * Fetches the schemas that these values need and that are not known yet. An id that the registry
   * does not know is asked for again next time, because it may be registered by then.
   * @throws AppError REGISTRY_UNAVAILABLE
   */
  async prepare(values: readonly (Buffer | null)[]): Promise<void> {
    const missing = new Set<number>();
    for (const value of values) {
      const id = value === null ? undefined : schemaIdOf(value);
      if (id !== undefined && !this.#known.has(id)) missing.add(id);
    }
    await this.load(missing);
  }

  /** Fetches schemas by id ahead of time. @throws AppError REGISTRY_UNAVAILABLE */
  async load(ids: Iterable<number>): Promise<void> {
    for (const id of ids) {
      const text = await this.#registry.schemaText(id);
      if (text !== undefined) this.#known.set(id, resolve(this.#reader, id, text));
    }
  }

  /** Decodes one value whose schema was fetched before. */
  decode(value: Buffer | null): DecodeResult<T> {
    if (value === null) return undecodable('null-value', 'expected a value, found null');
    const id = schemaIdOf(value);
    if (id === undefined) {
      return undecodable('not-avro', 'expected 0x00 and a schema id before the Avro bytes');
    }
    const schema = this.#known.get(id);
    if (schema === undefined) {
      return undecodable('unknown-schema', `schema id ${id} is not in the registry`);
    }
    if (schema.kind === 'undecodable') return schema;
    try {
      const decoded = this.#reader.fromBuffer(payloadOf(value), schema.resolver) as T;
      return { kind: 'decoded', value: decoded };
    } catch (error) {
      const message = `the bytes do not match schema id ${id}: ${messageOf(error)}`;
      return undecodable('not-avro', message);
    }
  }

  /** Fetches the schema if needed, then decodes. @throws AppError REGISTRY_UNAVAILABLE */
  async decodeOne(value: Buffer | null): Promise<DecodeResult<T>> {
    await this.prepare([value]);
    return this.decode(value);
  }

  /** Decodes each record's value. @throws AppError REGISTRY_UNAVAILABLE; what the records throw */
  async *decodeEach<R extends { readonly value: Buffer | null }>(
    records: AsyncIterable<R>,
  ): AsyncGenerator<{ readonly record: R; readonly result: DecodeResult<T> }> {
    for await (const record of records) {
      const id = record.value === null ? undefined : schemaIdOf(record.value);
      if (id !== undefined && !this.#known.has(id)) await this.load([id]);
      yield { record, result: this.decode(record.value) };
    }
  }
}

function resolve(reader: AvroType, id: number, text: string): KnownSchema {
  try {
    return { kind: 'resolver', resolver: reader.createResolver(typeOf(text)) };
  } catch (error) {
    const message = `schema id ${id} cannot be read as this build's schema: ${messageOf(error)}`;
    return undecodable('unexpected-schema', message);
  }
}

function undecodable(reason: Undecodable['reason'], message: string): Undecodable {
  return { kind: 'undecodable', reason, message };
}
