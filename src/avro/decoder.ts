/** Framed Avro of any registered version → records of ours. What can not be decoded is a value with its reason; only an unreachable registry throws. */

import { messageOf } from '../errors.ts';
import { payloadOf, schemaIdOf } from './encoder.ts';
import type { Registry } from './registry.ts';
import { type AvroType, type Resolver, typeOf } from './schemas.ts';

export type Undecodable = {
  readonly kind: 'undecodable';
  readonly reason: 'null-value' | 'not-avro' | 'unknown-schema' | 'unexpected-schema';
  readonly message: string;
};

export type Decoder<T> = {
  /** Fetches the schemas that these values need and that are not known yet. @throws AppError REGISTRY_UNAVAILABLE, retriable */
  readonly prepare: (values: readonly (Buffer | null)[]) => Promise<void>;
  /** Fetches schemas by id ahead of time. @throws AppError REGISTRY_UNAVAILABLE, retriable */
  readonly load: (ids: Iterable<number>) => Promise<void>;
  /** Decodes one value; `prepare` must have seen it. */
  readonly decode: (value: Buffer | null) => T | Undecodable;
};

type Known = { readonly resolver: Resolver } | Undecodable;

export function createDecoder<T>(
  reader: AvroType,
  registry: Pick<Registry, 'schemaText'>,
): Decoder<T> {
  const known = new Map<number, Known>();
  // Ids that the registry does not know are asked for again with the next batch: they may be registered by then.

  const prepare: Decoder<T>['prepare'] = async (values) => {
    const missing = new Set<number>();
    for (const value of values) {
      const id = value === null ? undefined : schemaIdOf(value);
      if (id !== undefined && !known.has(id)) missing.add(id);
    }
    await load(missing);
  };

  const load: Decoder<T>['load'] = async (ids) => {
    for (const id of ids) {
      const text = await registry.schemaText(id);
      if (text !== undefined) known.set(id, resolve(reader, id, text));
    }
  };

  const decode: Decoder<T>['decode'] = (value) => {
    if (value === null) return undecodable('null-value', 'expected a value, found null');
    const id = schemaIdOf(value);
    if (id === undefined) {
      return undecodable('not-avro', 'expected 0x00 and a schema id before the Avro bytes');
    }
    const schema = known.get(id);
    if (schema === undefined) {
      return undecodable('unknown-schema', `schema id ${id} is not in the registry`);
    }
    if ('kind' in schema) return schema;
    try {
      return reader.fromBuffer(payloadOf(value), schema.resolver) as T;
    } catch (error) {
      return undecodable('not-avro', `the bytes do not fit schema id ${id}: ${messageOf(error)}`);
    }
  };

  return { prepare, load, decode };
}

function resolve(reader: AvroType, id: number, text: string): Known {
  try {
    return { resolver: reader.createResolver(typeOf(text)) };
  } catch (error) {
    return undecodable('unexpected-schema', `schema id ${id} can not be read: ${messageOf(error)}`);
  }
}

function undecodable(reason: Undecodable['reason'], message: string): Undecodable {
  return { kind: 'undecodable', reason, message };
}
