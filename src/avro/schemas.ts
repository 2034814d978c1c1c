/** The Avro schemas of this build, read from schemas/, and their compiled types. */

import { readFileSync } from 'node:fs';
import avro from 'avsc';

export type SchemaName =
  | 'RawWebhook'
  | 'PublicationSucceeded'
  | 'JournalRecord'
  | 'CampaignReference'
  | 'ReconcileProgress';

/**
 * The compatibility that the registry must enforce for a subject; schemas/README.md gives the
 * reasons.
 */
export type Compatibility = 'BACKWARD_TRANSITIVE' | 'FULL_TRANSITIVE';

export type AvroType = avro.Type;
/** Converts records of a writer's schema into ours. */
export type Resolver = ReturnType<AvroType['createResolver']>;

type Schema = {
  /** The schema text as registered. */
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
 * Reads `bytes` as a slice of the fetched Buffer. avsc would copy them into its own pool, which
 * costs more than the rest of decoding a raw record. (`_read` is not public: the version is pinned,
 * and a unit test fails if this has no effect.)
 */
function sliceBytes(schema: unknown): AvroType | undefined {
  if (schema !== 'bytes') return undefined;
  const read = (tap: Tap) => {
    const length = tap.readLong();
    tap.pos += length;
    // Past the end: avsc checks the position afterwards and throws.
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
  ReconcileProgress: schema('ReconcileProgress', 'FULL_TRANSITIVE'),
};
