import { expect, test } from 'vitest';
import { Decoder } from '../../../src/avro/decoder.ts';
import type { RawWebhook } from '../../../src/avro/records.ts';
import { schemas } from '../../../src/avro/schemas.ts';
import { digestOf, noDigest } from '../../../src/digest.ts';
import { decodeRecord } from '../../../src/processor/decode.ts';
import { sampleText } from '../../../src/voucherify/sample.ts';
import { anInput, aRawValue, aRegistry } from '../../support/builders.ts';

const decoded = async (value: Buffer | null, key = 'the-key') => {
  const decoder = new Decoder<RawWebhook>(schemas.RawWebhook.type, aRegistry());
  await decoder.prepare([value]);
  return decodeRecord(anInput(5, value, key), decoder);
};

test('a publication has the digest of its id, whatever the key', async () => {
  const record = await decoded(aRawValue());
  expect(record).toMatchObject({
    offset: 5,
    receivedAtMs: 1_700_000_000_000,
    source: 'voucherify',
    content: { kind: 'publication', id: 'pub_1' },
  });
  expect(record.digest).toEqual(digestOf('pub_1'));
});

test('another event has the digest of its key', async () => {
  const record = await decoded(aRawValue({ body: Buffer.from(sampleText('voucher-published')) }));
  expect(record.content).toMatchObject({ kind: 'other-event', eventType: 'voucher.published' });
  expect(record.digest).toEqual(digestOf('the-key'));
});

test.each([
  ['null', null, 'decode', 'null-value'],
  ['garbage', Buffer.from('garbage'), 'decode', 'not-avro'],
  ['an unknown schema', Buffer.from([0, 0, 0, 9, 9, 1]), 'decode', 'unknown-schema'],
  ['no JSON', aRawValue({ body: Buffer.from('{') }), 'read', 'invalid-json'],
  ['no known shape', aRawValue({ body: Buffer.from('{}') }), 'read', 'unknown-shape'],
  [
    'no id',
    aRawValue({ body: Buffer.from('{"type":"publication.succeeded","data":{}}') }),
    'read',
    'no-publication-id',
  ],
  [
    'no vouchers',
    aRawValue({
      body: Buffer.from(
        '{"type":"publication.succeeded","data":{"publication":{"id":"p","created_at":"2024-01-01T00:00:00Z"}}}',
      ),
    }),
    'read',
    'invalid-publication',
  ],
])('%s is broken, with stage and reason', async (_, value, stage, reason) => {
  const record = await decoded(value);
  expect(record).toMatchObject({ content: { kind: 'broken', letter: { stage, reason } } });
});

test('a record without a key has the empty digest', async () => {
  const decoder = new Decoder<RawWebhook>(schemas.RawWebhook.type, aRegistry());
  const record = decodeRecord({ ...anInput(0, null), key: null }, decoder);
  expect(record.digest).toEqual(noDigest);
  expect(record.receivedAtMs).toBe(1_700_000_000_000);
});

test.each([
  [-1e12, 0],
  [9e15, 8.64e15],
])('an arrival time of %d, which no date can be, counts as %d', async (receivedAt, ms) => {
  expect((await decoded(aRawValue({ receivedAt }))).receivedAtMs).toBe(ms);
});
