import { expect, test } from 'vitest';
import { createEncoder, payloadOf } from '../../../src/avro/encoder.ts';
import { schemas } from '../../../src/avro/schemas.ts';
import { digestOf } from '../../../src/digest.ts';
import { noIdentity } from '../../../src/journal/deployment-identity.ts';
import { PartitionState } from '../../../src/journal/state.ts';
import type { InputRecord } from '../../../src/kafka/group.ts';
import type { Decision } from '../../../src/processor/decide.ts';
import type { DecodedRecord } from '../../../src/processor/decode.ts';
import { EventEncoders } from '../../../src/processor/event-encoders.ts';
import { type Assembly, TransactionBuilder } from '../../../src/processor/transaction-builder.ts';
import { builtinRoutes } from '../../../src/routing/routes.ts';
import { anInput, aPublication, aRawValue, byWebhook } from '../../support/builders.ts';
import { decided } from '../../support/decided.ts';

const now = Date.parse('2026-11-24T12:00:00Z');
const publications = {
  'discount-coupons': 'out',
  'gift-vouchers': 'gifts',
  'loyalty-program': 'out',
  'referral-program': 'out',
  'no-campaign': 'out',
  other: 'out',
};
const encoders = new EventEncoders('http://registry', {
  eventSource: 'urn:voucherbus',
  eventType: 'io.voucherbus.publication.succeeded.v1',
});
encoders.add('out', 2);
const assembly: Assembly = {
  catalog: { raw: 'raw', deadLetters: 'dlq', journal: 'journal' },
  group: 'g',
  encoders,
  encodeJournalRecord: createEncoder(schemas.JournalRecord.type, 3),
  partitions: 6,
};

const content = aPublication({ publicationId: 'pub_1', createdAt: '2026-11-24T11:59:00.500Z' });
const good: DecodedRecord = {
  offset: 7,
  timestampMs: now,
  receivedAtMs: now,
  digest: digestOf('pub_1'),
  source: 'voucherify',
  ...byWebhook,
  redrive: undefined,
  content,
};
const letter = {
  stage: 'read',
  reason: 'invalid-json',
  path: '$',
  message: 'the body is not JSON',
} as const;
const bad: DecodedRecord = { ...good, offset: 8, content: { kind: 'broken', letter } };
const ignored: DecodedRecord = {
  ...good,
  offset: 9,
  content: { kind: 'other-event', eventType: 'voucher.created' },
};
const repeat: DecodedRecord = { ...good, offset: 10 };

const inputs: readonly InputRecord[] = [
  anInput(7, aRawValue()),
  {
    ...anInput(8, Buffer.from('not avro'), 'the-key'),
    headers: { mine: Buffer.from('kept'), many: [Buffer.from('a'), Buffer.from('b')] },
  },
  anInput(9, aRawValue()),
  anInput(10, aRawValue()),
];
const rules = {
  routes: builtinRoutes({ publications }),
  olderThanWindow: 'park',
  personalData: [],
} as const;
const builder = new TransactionBuilder(4, rules.routes.version, now, assembly);
const { decisions, journalRecord } = decided(
  [good, bad, ignored, repeat],
  new PartitionState(7, 1e9, undefined),
  rules,
  now,
);
inputs.forEach((input, i) => {
  builder.add(input, decisions[i] as Decision);
});
const transaction = builder.finish(journalRecord);
const recordsOf = (topic: string) =>
  transaction.records.find((one) => one.topic === topic)?.messages ?? [];

test('it holds the outputs, the dead letters, one journal record and the next offset, all on the input partition', () => {
  expect(transaction.records.map(({ topic, messages }) => [topic, messages.length])).toEqual([
    ['out', 1],
    ['dlq', 1],
    ['journal', 1],
  ]);
  expect(
    transaction.records
      .flatMap(({ messages }) => messages)
      .every(({ partition }) => partition === 4),
  ).toBe(true);
  expect(transaction.offsets).toEqual({ group: 'g', topic: 'raw', partition: 4, offset: 11 });
});

test('an output is keyed by publication id, typed, and a CloudEvent in binary mode', () => {
  const [record] = recordsOf('out');
  expect(record?.key?.toString()).toBe('pub_1');
  expect(
    schemas.PublicationSucceeded.type.fromBuffer(payloadOf(record?.value as Buffer)),
  ).toMatchObject({ publicationId: 'pub_1', source: 'voucherify', processedAt: now });
  expect(
    Object.fromEntries(
      Object.entries(record?.headers ?? {}).map(([name, value]) => [name, String(value)]),
    ),
  ).toEqual({
    ce_specversion: '1.0',
    ce_id: 'pub_1',
    'voucherbus.route': 'discount-coupons',
    'voucherbus.routes': 'builtin',
    ce_source: 'urn:voucherbus',
    ce_type: 'io.voucherbus.publication.succeeded.v1',
    ce_subject: 'pub_1',
    ce_time: '2026-11-24T11:59:00.500Z',
    ce_dataschema: 'http://registry/schemas/ids/2',
    'content-type': 'application/avro',
    ce_partitionkey: 'pub_1',
    ce_correlationid: 'v-0e3aeaf2e58de0ba42',
    ce_causationid: 'evpub_1',
    ce_recordedtime: '2026-11-24T12:00:00.000Z',
  });
});

test('a dead letter keeps key, bytes and headers, and has its reason in headers that tools know', () => {
  const [record] = recordsOf('dlq');
  expect(record).toMatchObject({ key: Buffer.from('the-key'), value: Buffer.from('not avro') });
  expect(record?.headers).toMatchObject({
    mine: Buffer.from('kept'),
    many: [Buffer.from('a'), Buffer.from('b')],
    '__streams.errors.exception': 'voucherbus.invalid-json',
    '__streams.errors.message': 'the body is not JSON',
    '__streams.errors.stacktrace': 'at $ (stage read)',
    '__streams.errors.topic': 'raw',
    '__streams.errors.partition': '4',
    '__streams.errors.offset': '8',
    'voucherbus.error.stage': 'read',
    'voucherbus.error.reason': 'invalid-json',
    'voucherbus.error.path': '$',
    'voucherbus.error.failed-at': '2026-11-24T12:00:00.000Z',
    'voucherbus.error.routes': 'builtin',
  });
});

test("the journal's record carries every decision and the time by which restores find it", () => {
  const [record] = recordsOf('journal');
  expect(record?.timestamp).toBe(String(now));
  const batch = schemas.JournalRecord.type.fromBuffer(payloadOf(record?.value as Buffer));
  expect(batch).toMatchObject({
    from: 7,
    to: 11,
    receivedUntil: now,
    lastTimestamp: now,
    identity: noIdentity,
    deployment: null,
    routesVersion: 'builtin',
    labels: ['out', 'invalid-json', 'voucher.created'],
  });
  expect(
    batch.entries.map((entry: { offset: number; outcome: string; label: number }) => [
      entry.offset,
      entry.outcome,
      entry.label,
    ]),
  ).toEqual([
    [0, 'FORWARDED', 0],
    [1, 'DEAD_LETTERED', 1],
    [2, 'IGNORED', 2],
    [3, 'DUPLICATE', -1],
  ]);
});
