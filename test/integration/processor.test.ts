/**
 * The processor on a real broker: what it forwards, what becomes a dead letter, and which
 * partitions it takes and returns.
 */

import { afterAll, beforeAll, expect, test } from 'vitest';
import { createEncoder } from '../../src/avro/encoder.ts';
import type { RawWebhook } from '../../src/avro/records.ts';
import { schemas } from '../../src/avro/schemas.ts';
import { fieldReader } from '../../src/bridge/fast-path/fast-path.ts';
import { rawRecord } from '../../src/bridge/raw-record.ts';
import { expectStored, type KeyedRecord, Writer } from '../../src/kafka/writer.ts';
import { sampleText } from '../../src/voucherify/sample.ts';
import { aBody } from '../support/builders.ts';
import { aDeployment, type Deployment, until } from '../support/deployment.ts';

let deployment: Deployment;
let writer: Writer;
let processor: Awaited<ReturnType<Deployment['start']>>;

beforeAll(async () => {
  deployment = await aDeployment(2);
  writer = await Writer.open(deployment.client, deployment.catalog.raw);
  processor = await deployment.start('processor');
});
afterAll(async () => {
  await writer.close();
  await deployment[Symbol.asyncDispose]();
});

const rawOf = (body: Buffer | string, receivedAtMs = Date.now()): KeyedRecord => {
  const encode = createEncoder<RawWebhook>(
    schemas.RawWebhook.type,
    deployment.schemaId(deployment.catalog.raw),
  );
  const verified = { body: Buffer.from(body), signature: '0'.repeat(64), secretName: 'main' };
  const receipt = { source: 'voucherify', contentType: undefined, receivedAtMs };
  return rawRecord(
    { verified, receipt },
    { encode, readFields: fieldReader({ httpFastPath: 'on' }) },
  );
};

/** Writes records and waits until the journal has decided on all of them. */
const processed = async (...records: readonly KeyedRecord[]) => {
  const positions = expectStored(await writer.write(records, 10_000));
  return until(async () => {
    const batches = await deployment.journal();
    const decisions = positions.map(({ partition, offset }) => {
      const batch = batches.find(
        (one) => one.partition === partition && one.event.from <= offset && offset < one.event.to,
      )?.event;
      const entry = batch?.entries.find((one) => one.offset === offset - batch.from);
      return (
        entry && { partition, offset, outcome: entry.outcome, label: batch?.labels[entry.label] }
      );
    });
    return decisions.every((decision) => decision !== undefined) && decisions;
  }, 'every record is decided');
};

const headersOf = (headers: readonly (readonly [string, Buffer | null])[]) =>
  Object.fromEntries(headers.map(([name, value]) => [name, value?.toString()]));

test("the vendor's sample of 2024 is forwarded, typed, once, however often it is sent", async () => {
  const sample = sampleText('publication-succeeded');
  const decisions = await processed(rawOf(sample), rawOf(sample), rawOf(sample));
  expect(decisions.map(({ outcome }) => outcome)).toEqual(['FORWARDED', 'DUPLICATE', 'DUPLICATE']);
  const outputs = (await deployment.outputs()).filter(
    ({ key }) => key?.toString() === 'pub_r0413bLwExpB6LE0v286eNVmEpx6NxmP',
  );
  expect(outputs).toHaveLength(1);
  expect(outputs[0]).toMatchObject({
    kind: 'discount-coupons',
    partition: decisions[0]?.partition,
    event: {
      publicationSourceId: 'public_321932',
      occurredAt: Date.parse('2024-02-01T12:54:33.174Z'),
      customer: { region: 'EMEA', personal: null },
    },
  });
  expect(headersOf(outputs[0]?.headers ?? [])).toMatchObject({
    ce_id: 'pub_r0413bLwExpB6LE0v286eNVmEpx6NxmP',
    ce_source: 'urn:voucherbus',
    ce_causationid: 'evpub_0e3aeaf2ff59fe8966',
  });
});

test.each([
  ['DISCOUNT_COUPONS', 'discount-coupons'],
  ['GIFT_VOUCHERS', 'gift-vouchers'],
  ['LOYALTY_PROGRAM', 'loyalty-program'],
  ['REFERRAL_PROGRAM', 'referral-program'],
  [null, 'no-campaign'],
  ['LUCKY_DRAW', 'other'],
])('campaign type %s goes to %s', async (campaignType, kind) => {
  const publicationId = `pub_${kind}`;
  await processed(rawOf(aBody({ publicationId, campaignType })));
  const outputs = (await deployment.outputs()).filter(
    ({ key }) => key?.toString() === publicationId,
  );
  expect(outputs.map((one) => one.kind)).toEqual([kind]);
});

test('garbage written to raw becomes a dead letter with its bytes unchanged, and the partition continues', async () => {
  const key = 'same-partition';
  const unknownSchema = Buffer.from([0, 0x7f, 0xff, 0xff, 0xff, 1, 2, 3]);
  const garbage: KeyedRecord[] = [
    {
      key,
      value: Buffer.from([0xde, 0xad, 0xbe, 0xef]),
      headers: { mine: 'kept', twice: ['a', 'b'] },
    },
    { key, value: unknownSchema },
    { key, value: null },
    { ...rawOf('not json'), key },
    { ...rawOf('{"type":"publication.succeeded","data":{"publication":{"id":"p"}}}'), key },
    { ...rawOf(aBody({ publicationId: 'pub_behind_garbage' })), key },
  ];
  const decisions = await processed(...garbage);
  expect(decisions.map(({ outcome, label }) => [outcome, label])).toEqual([
    ['DEAD_LETTERED', 'not-avro'],
    ['DEAD_LETTERED', 'unknown-schema'],
    ['DEAD_LETTERED', 'null-value'],
    ['DEAD_LETTERED', 'invalid-json'],
    ['DEAD_LETTERED', 'invalid-publication'],
    ['FORWARDED', deployment.catalog.publications['discount-coupons']],
  ]);
  const letters = (await deployment.readAll(deployment.catalog.deadLetters)).filter(
    (one) => one.key?.toString() === key,
  );
  expect(letters.map(({ value }) => value)).toEqual(garbage.slice(0, 5).map(({ value }) => value));
  expect(
    letters[0]?.headers
      .filter(([name]) => ['mine', 'twice'].includes(name))
      .map(([name, value]) => [name, value?.toString()]),
  ).toEqual([
    ['mine', 'kept'],
    ['twice', 'a'],
    ['twice', 'b'],
  ]);
  expect(headersOf(letters[4]?.headers ?? [])).toMatchObject({
    '__streams.errors.topic': deployment.catalog.raw,
    '__streams.errors.offset': String(decisions[4]?.offset),
    'voucherbus.error.reason': 'invalid-publication',
    'voucherbus.error.path': '$.data.publication.created_at',
  });
});

test('another event type is ignored and counted', async () => {
  const [decision] = await processed(rawOf(sampleText('voucher-published')));
  expect(decision).toMatchObject({ outcome: 'IGNORED', label: 'voucher.published' });
  const metrics = await (await fetch(`${processor.admin}/metrics`)).text();
  expect(metrics).toMatch(/voucherbus_events_total\{outcome="ignore",reason=""\} [1-9]/);
  expect(metrics).toMatch(/voucherbus_events_total\{outcome="dead-letter",reason="not-avro"\} 1/);
});

test('the processor is ready and alive, and reports its lag', async () => {
  expect((await fetch(`${processor.admin}/livez`)).status).toBe(200);
  const ready = await fetch(`${processor.admin}/readyz`);
  expect([ready.status, await ready.json()]).toEqual([
    200,
    { status: 'ready', parts: { group: 'ready', partitions: 'ready' } },
  ]);
  const metrics = async () => (await fetch(`${processor.admin}/metrics`)).text();
  // It is read every few seconds.
  await until(
    async () => /voucherbus_consumer_lag_records\{partition="\d"\} 0/.test(await metrics()),
    'nothing is behind',
  );
  expect(await metrics()).toContain('voucherbus_assigned_partitions 2');
});

test("the journal's ranges join end to end, and end where the group's offsets are", async () => {
  const offsets = await deployment.admin.committedOffsets(
    deployment.prefix,
    deployment.catalog.raw,
  );
  const batches = await deployment.journal();
  for (let partition = 0; partition < 2; partition += 1) {
    const own = batches.filter((one) => one.partition === partition).map(({ event }) => event);
    expect(own.map(({ from }) => from)).toEqual([0, ...own.slice(0, -1).map(({ to }) => to)]);
    expect(own.at(-1)?.to).toBe(offsets.get(partition));
  }
});

test('a second processor takes its share, and the first one gets it back when the second leaves', async () => {
  const second = await deployment.start('processor');
  const assigned = async (admin: string) =>
    /voucherbus_assigned_partitions (\d)/.exec(await (await fetch(`${admin}/metrics`)).text())?.[1];
  await until(
    async () => (await assigned(processor.admin)) === '1' && (await assigned(second.admin)) === '1',
    'each has one partition',
  );
  second.child.kill('SIGTERM');
  expect(await second.child.exited).toBe(0);
  await until(async () => (await assigned(processor.admin)) === '2', 'the first has both again');
});

test('on SIGTERM a processor finishes and leaves the group, and another one takes over at once with all ids', async () => {
  processor.child.kill('SIGTERM');
  expect(await processor.child.exited).toBe(0);
  expect(processor.child.output()).toContain('"msg":"stopped"');
  processor = await deployment.start('processor');
  const [repeat] = await processed(
    rawOf(aBody({ publicationId: 'pub_gift-vouchers', campaignType: 'GIFT_VOUCHERS' })),
  );
  expect(repeat?.outcome).toBe('DUPLICATE');
});
