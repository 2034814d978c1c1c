import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createEncoder, payloadOf, schemaIdOf } from '../../../src/avro/encoder.ts';
import type { RawWebhook } from '../../../src/avro/records.ts';
import { type SchemaName, schemas, typeOf } from '../../../src/avro/schemas.ts';
import { aRawWebhook } from '../../support/builders.ts';

type Node = { readonly [key: string]: unknown };
const names = Object.keys(schemas) as SchemaName[];

/** Every record, enum and field of a schema with its path. */
function* nodes(
  schema: unknown,
  path: string,
): Iterable<readonly [path: string, kind: string, node: Node]> {
  if (Array.isArray(schema)) for (const branch of schema) yield* nodes(branch, path);
  if (typeof schema !== 'object' || schema === null) return;
  const node = schema as Node;
  const here = `${path}/${node['name'] ?? ''}`;
  if (['record', 'enum', 'fixed'].includes(String(node['type'])))
    yield [here, String(node['type']), node];
  for (const field of (node['fields'] as Node[] | undefined) ?? []) {
    yield [`${here}.${field['name']}`, 'field', field];
    yield* nodes(field['type'], `${here}.${field['name']}`);
  }
  yield* nodes(node['items'], path);
  yield* nodes(node['values'], path);
  if (typeof node['type'] === 'object') yield* nodes(node['type'], path);
}

const all = names.flatMap((name) => [...nodes(JSON.parse(schemas[name].text), name)]);

test('every record, enum, fixed and field says what it is', () => {
  expect(all.length).toBeGreaterThan(90);
  expect(
    all
      .filter(([, , node]) => typeof node['doc'] !== 'string' || node['doc'] === '')
      .map(([path]) => path),
  ).toEqual([]);
});

test('every enum can grow: UNKNOWN comes first and is the default', () => {
  const enums = all.filter(([, kind]) => kind === 'enum').map(([, , node]) => node);
  expect(enums.length).toBeGreaterThan(5);
  for (const node of enums) {
    expect(node['default']).toBe('UNKNOWN');
    expect((node['symbols'] as string[])[0]).toBe('UNKNOWN');
  }
});

test('every optional field has null as its default, so that it can be added and removed', () => {
  const optional = all.filter(([, kind, node]) => kind === 'field' && Array.isArray(node['type']));
  expect(optional.filter(([, , node]) => node['default'] !== null).map(([path]) => path)).toEqual(
    [],
  );
});

test('a reader with an old enum sees a new symbol as UNKNOWN', () => {
  const { text, type } = schemas.JournalRecord;
  const newer = typeOf(text.replace('"REDRIVEN"]', '"REDRIVEN", "DELAYED"]'));
  const batch = {
    from: 0,
    to: 1,
    receivedUntil: 1,
    processedAt: 1,
    routesVersion: '',
    labels: [],
    entries: [{ digest: Buffer.alloc(16), offset: 0, outcome: 'DELAYED', label: -1 }],
  };
  const read = type.fromBuffer(newer.toBuffer(batch), type.createResolver(newer));
  expect(read.entries[0].outcome).toBe('UNKNOWN');
});

test('any raw webhook is encoded and decoded without change', () => {
  const encode = createEncoder<RawWebhook>(schemas.RawWebhook.type, 42);
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 60_000 }),
      fc.string(),
      fc.nat(8.64e15),
      (bytes, text, receivedAt) => {
        const webhook = aRawWebhook({
          body: Buffer.from(bytes),
          eventType: text,
          receivedAt,
          contentType: null,
        });
        const framed = encode(webhook);
        expect(schemaIdOf(framed)).toBe(42);
        expect(schemas.RawWebhook.type.fromBuffer(payloadOf(framed))).toEqual(webhook);
      },
    ),
    { numRuns: 50 },
  );
});

test('a decoded body is a slice of what was decoded, not a copy', () => {
  const payload = schemas.RawWebhook.type.toBuffer(aRawWebhook());
  const { body } = schemas.RawWebhook.type.fromBuffer(payload) as RawWebhook;
  expect(body.buffer).toBe(payload.buffer);
});
