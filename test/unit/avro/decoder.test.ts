import { expect, test } from 'vitest';
import { createDecoder, type Undecodable } from '../../../src/avro/decoder.ts';
import type { RawWebhook } from '../../../src/avro/records.ts';
import { schemas, typeOf } from '../../../src/avro/schemas.ts';
import { aRawValue, aRawWebhook, aRegistry } from '../../support/builders.ts';

const decodeAll = async (values: readonly (Buffer | null)[], registry = aRegistry()) => {
  const decoder = createDecoder<RawWebhook>(schemas.RawWebhook.type, registry);
  await decoder.prepare(values);
  return values.map(decoder.decode);
};

test('a record of this version is decoded', async () => {
  expect(await decodeAll([aRawValue()])).toEqual([aRawWebhook()]);
});

test('a record of a later version, with a field unknown here, is decoded', async () => {
  const later = JSON.parse(schemas.RawWebhook.text);
  later.fields.push({ name: 'region', type: ['null', 'string'], default: null, doc: '' });
  const type = typeOf(JSON.stringify(later));
  const value = Buffer.concat([
    Buffer.from([0, 0, 0, 0, 9]),
    type.toBuffer({ ...aRawWebhook(), region: 'eu' }),
  ]);
  expect(await decodeAll([value], aRegistry({ 9: JSON.stringify(later) }))).toEqual([
    aRawWebhook(),
  ]);
});

const garbage: readonly (readonly [string, Buffer | null, Undecodable['reason']])[] = [
  ['null', null, 'null-value'],
  ['nothing', Buffer.alloc(0), 'not-avro'],
  ['text', Buffer.from('{"json": true}'), 'not-avro'],
  ['a cut-off record', aRawValue().subarray(0, 40), 'not-avro'],
  ['a record with more behind it', Buffer.concat([aRawValue(), Buffer.from([1, 2])]), 'not-avro'],
  ['an id that is not registered', Buffer.from([0, 0, 0, 0, 99, 1, 2, 3]), 'unknown-schema'],
  ['another record type', Buffer.from([0, 0, 0, 0, 8, 1, 2, 3]), 'unexpected-schema'],
];

test.each(garbage)('%s is a value with its reason, not an exception', async (_, value, reason) => {
  const [decoded] = await decodeAll([value], aRegistry({ 8: '"string"' }));
  expect(decoded).toMatchObject({ kind: 'undecodable', reason });
});

test('an id that is registered later is decoded with the next batch', async () => {
  const texts: Record<number, string> = {};
  const decoder = createDecoder<RawWebhook>(schemas.RawWebhook.type, {
    schemaText: async (id) => texts[id],
  });
  await decoder.prepare([aRawValue()]);
  expect(decoder.decode(aRawValue())).toMatchObject({ reason: 'unknown-schema' });
  texts[7] = schemas.RawWebhook.text;
  await decoder.prepare([aRawValue()]);
  expect(decoder.decode(aRawValue())).toEqual(aRawWebhook());
});

test('a registry that can not be reached is an error, never a reason to park', async () => {
  const registry = { schemaText: () => Promise.reject(new Error('down')) };
  await expect(decodeAll([aRawValue()], registry)).rejects.toThrow('down');
});
