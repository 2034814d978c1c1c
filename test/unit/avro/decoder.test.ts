import { expect, test } from 'vitest';
import { Decoder, type Undecodable } from '../../../src/avro/decoder.ts';
import type { RawWebhook } from '../../../src/avro/records.ts';
import { schemas, typeOf } from '../../../src/avro/schemas.ts';
import { aRawValue, aRawWebhook, aRegistry } from '../../support/builders.ts';

/** Returns the value of each decoded record, and the reason of each other one. */
const decodeAll = async (values: readonly (Buffer | null)[], registry = aRegistry()) => {
  const decoder = new Decoder<RawWebhook>(schemas.RawWebhook.type, registry);
  await decoder.prepare(values);
  return values.map((value) => {
    const result = decoder.decode(value);
    return result.kind === 'decoded' ? result.value : result.reason;
  });
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
  ['empty bytes', Buffer.alloc(0), 'not-avro'],
  ['text', Buffer.from('{"json": true}'), 'not-avro'],
  ['a cut-off record', aRawValue().subarray(0, 40), 'not-avro'],
  [
    'a record with bytes after its end',
    Buffer.concat([aRawValue(), Buffer.from([1, 2])]),
    'not-avro',
  ],
  ['an id that is not registered', Buffer.from([0, 0, 0, 0, 99, 1, 2, 3]), 'unknown-schema'],
  ['another record type', Buffer.from([0, 0, 0, 0, 8, 1, 2, 3]), 'unexpected-schema'],
];

test.each(garbage)('%s is undecodable, with a reason', async (_, value, reason) => {
  const [decoded] = await decodeAll([value], aRegistry({ 8: '"string"' }));
  expect(decoded).toBe(reason);
});

test('an id that is registered later is decoded with the next batch', async () => {
  const texts: Record<number, string> = {};
  const decoder = new Decoder<RawWebhook>(schemas.RawWebhook.type, {
    schemaText: async (id) => texts[id],
  });
  await decoder.prepare([aRawValue()]);
  expect(decoder.decode(aRawValue())).toMatchObject({ reason: 'unknown-schema' });
  texts[7] = schemas.RawWebhook.text;
  await decoder.prepare([aRawValue()]);
  expect(decoder.decode(aRawValue())).toEqual({ kind: 'decoded', value: aRawWebhook() });
});

test('an unreachable registry is an error, not a reason for a dead letter', async () => {
  const registry = { schemaText: () => Promise.reject(new Error('down')) };
  await expect(decodeAll([aRawValue()], registry)).rejects.toThrow('down');
});
