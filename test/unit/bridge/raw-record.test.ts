import { expect, test } from 'vitest';
import { createEncoder, payloadOf } from '../../../src/avro/encoder.ts';
import type { RawWebhook } from '../../../src/avro/records.ts';
import { schemas } from '../../../src/avro/schemas.ts';
import { fieldReader } from '../../../src/bridge/fast-path/fast-path.ts';
import { rawRecord } from '../../../src/bridge/raw-record.ts';
import { sampleText } from '../../../src/voucherify/sample.ts';
import { sign, verify } from '../../../src/voucherify/signature.ts';

const encode = createEncoder<RawWebhook>(schemas.RawWebhook.type, 1);
const secrets = [{ name: 'main', key: 'k' }];
const readFields = fieldReader({ httpFastPath: 'on' });
const receipt = { source: 'voucherify', contentType: 'application/json', receivedAtMs: 5_000 };

const recordOf = (text: string) => {
  const body = Buffer.from(text);
  const result = verify(body, sign(body, 'k'), secrets);
  if (result.kind !== 'verified') throw new Error(result.kind);
  const record = rawRecord({ verified: result.verified, receipt }, { encode, readFields });
  return {
    record,
    raw: schemas.RawWebhook.type.fromBuffer(payloadOf(record.value as Buffer)) as RawWebhook,
  };
};

test('a raw record carries the trace of its webhook', () => {
  const verified = { body: Buffer.from('{}'), signature: 'ab', secretName: 'main' };
  const trace = { traceparent: '00-a-b-01', tracestate: 'x=1' };
  const webhook = { verified, receipt: { ...receipt, trace } };
  expect(rawRecord(webhook, { encode, readFields }).headers).toMatchObject(trace);
});

test('a raw record holds the body as sent, the envelope fields and the CloudEvents headers', () => {
  const text = sampleText('publication-succeeded');
  const { record, raw } = recordOf(text);
  expect(raw.body.toString()).toBe(text);
  expect(raw).toMatchObject({
    source: 'voucherify',
    receivedAt: 5_000,
    secretName: 'main',
    contentType: 'application/json',
    eventType: 'publication.succeeded',
    eventId: 'evpub_0e3aeaf2ff59fe8966',
    publicationId: 'pub_r0413bLwExpB6LE0v286eNVmEpx6NxmP',
  });
  expect(record).toMatchObject({
    key: 'pub_r0413bLwExpB6LE0v286eNVmEpx6NxmP',
    timestamp: '5000',
    headers: {
      ce_id: 'evpub_0e3aeaf2ff59fe8966',
      ce_source: 'urn:voucherify:voucherify:project:proj_Pr0j3CTs',
      'voucherbus.source': 'voucherify',
      ce_type: 'io.voucherify.publication.succeeded',
      ce_subject: 'pub_r0413bLwExpB6LE0v286eNVmEpx6NxmP',
      ce_time: '2024-02-01T12:54:33.174Z',
    },
  });
});

test('the signature can be verified again from the record alone', () => {
  const { raw } = recordOf(sampleText('publication-succeeded'));
  expect(verify(raw.body, raw.signature, secrets)).toMatchObject({
    kind: 'verified',
    verified: { secretName: 'main' },
  });
});

test.each([
  [
    'an event without publication',
    '{"type":"customer.updated","data":{},"event":{"id":"evcus_1"}}',
    'evcus_1',
  ],
  ['a body without any id', 'not json', '7ccfa1fbf3940e6f0c0375d87c0f9235'],
])('%s is keyed by its event id, or else by its digest', (_, text, key) => {
  expect(recordOf(text).record.key).toBe(key);
});
