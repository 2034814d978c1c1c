/** The Avro schemas of this build, read from schemas/, and their compiled types. */

import { readFileSync } from 'node:fs';
import avro from 'avsc';

export type SchemaName =
  | 'RawWebhook'
  | 'PublicationSucceeded'
  | 'JournalRecord'
  | 'CampaignReference';

/** What the registry must hold a subject to; see schemas/README.md for the reasons. */
export type Compatibility = 'BACKWARD_TRANSITIVE' | 'FULL_TRANSITIVE';

export type AvroType = avro.Type;
/** Reads a writer's records as ours. */
export type Resolver = ReturnType<AvroType['createResolver']>;

type Schema = {
  /** The schema as it is registered and looked up. */
  readonly text: string;
  readonly type: AvroType;
  readonly compatibility: Compatibility;
};

const schema = (name: SchemaName, compatibility: Compatibility): Schema => {
  const text = readFileSync(new URL(`../../schemas/${name}.avsc`, import.meta.url), 'utf8');
  return { text, type: typeOf(text), compatibility };
};

export function typeOf(text: string): AvroType {
  return avro.Type.forSchema(JSON.parse(text), { typeHook: sliceBytes });
}

type Tap = { readonly buf: Buffer; pos: number; readLong(): number };

/**
 * `bytes` are read as a slice of what was fetched. avsc would copy them into a pool of its own, which costs more than the rest of reading a raw
 * record. (Its `_read` is not public: the version is pinned, and a unit test fails where this has no effect.)
 */
function sliceBytes(schema: unknown): AvroType | undefined {
  if (schema !== 'bytes') return undefined;
  const read = (tap: Tap) => {
    const length = tap.readLong();
    tap.pos += length;
    // Past the end: avsc looks at the position afterwards and throws.
    return tap.buf.subarray(tap.pos - length, tap.pos);
  };
  // avsc freezes its types.
  return Object.create(avro.Type.forSchema('bytes'), { _read: { value: read } }) as AvroType;
}

export const schemas: Readonly<Record<SchemaName, Schema>> = {
  RawWebhook: schema('RawWebhook', 'BACKWARD_TRANSITIVE'),
  PublicationSucceeded: schema('PublicationSucceeded', 'FULL_TRANSITIVE'),
  JournalRecord: schema('JournalRecord', 'FULL_TRANSITIVE'),
  CampaignReference: schema('CampaignReference', 'FULL_TRANSITIVE'),
};
