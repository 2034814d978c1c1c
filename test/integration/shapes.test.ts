/**
 * Every shape that the vendor sends, through a real bridge and a real processor: on raw as it came,
 * then where the oracle says.
 */

import { afterAll, beforeAll, expect, test } from 'vitest';
import { Decoder } from '../../src/avro/decoder.ts';
import type { RawWebhook } from '../../src/avro/records.ts';
import { schemas } from '../../src/avro/schemas.ts';
import { verify } from '../../src/voucherify/signature.ts';
import { decodedValue } from '../support/decoded-value.ts';
import { aDeployment, type Deployment, secret, until } from '../support/deployment.ts';
import { shapes } from '../support/shapes.ts';
import { type Answer, post } from '../support/webhooks.ts';

type Place = { readonly partition: number; readonly offset: number };
const isAt =
  ({ body }: Answer) =>
  ({ partition, offset }: Place) =>
    partition === body['partition'] && offset === body['offset'];

let deployment: Deployment;
const answers = new Map<string, Answer>();
let raws: readonly (Place & { readonly raw: RawWebhook })[];
let outputs: Awaited<ReturnType<Deployment['outputs']>>;
let letters: Awaited<ReturnType<Deployment['readAll']>>;
let journal: readonly (Place & { readonly outcome: string; readonly label: string | undefined })[];

beforeAll(async () => {
  deployment = await aDeployment(2);
  const bridge = await deployment.start('bridge');
  await deployment.start('processor');
  for (const { name, body } of shapes) answers.set(name, await post(bridge.url, body));
  const entries = async () =>
    (await deployment.journal()).flatMap(({ partition, event }) =>
      event.entries.map(({ offset, outcome, label }) => {
        return { partition, offset: event.from + offset, outcome, label: event.labels[label] };
      }),
    );
  journal = await until(async () => {
    const found = await entries();
    return found.length >= shapes.length && found;
  }, 'all are decided');
  outputs = await deployment.outputs();
  letters = await deployment.readAll(deployment.catalog.deadLetters);
  const decoder = new Decoder<RawWebhook>(schemas.RawWebhook.type, deployment.registry);
  const records = await deployment.readAll(deployment.catalog.raw);
  await decoder.prepare(records.map(({ value }) => value));
  raws = records.map(({ partition, offset, value }) => {
    return { partition, offset, raw: decodedValue(decoder.decode(value)) };
  });
});
afterAll(() => deployment[Symbol.asyncDispose]());

const headerOf = (headers: readonly (readonly [string, Buffer | null])[], name: string) =>
  headers.find(([one]) => one === name)?.[1]?.toString();

test.each(shapes)('$name', ({ name, body, expected }) => {
  const answer = answers.get(name) as Answer;
  expect(answer.status).toBe(202);
  const raw = raws.find(isAt(answer))?.raw as RawWebhook;
  expect(raw.body.equals(body)).toBe(true);
  expect(verify(raw.body, raw.signature, [{ name: 'main', key: secret }])).toMatchObject({
    kind: 'verified',
  });
  const decision = journal.find(isAt(answer));
  const published = outputs.filter(
    ({ headers }) =>
      expected.kind === 'forwarded' && headerOf(headers, 'ce_id') === expected.publicationId,
  );
  if (expected.kind === 'forwarded') {
    expect(decision?.outcome).toBe('FORWARDED');
    expect(published).toHaveLength(1);
    expect(published[0]).toMatchObject({ kind: expected.topic, event: expected.event });
  } else if (expected.kind === 'dead-lettered') {
    expect(decision?.outcome).toBe('DEAD_LETTERED');
    const mine = letters.filter(
      ({ headers }) =>
        headerOf(headers, '__streams.errors.partition') === String(answer.body['partition']) &&
        headerOf(headers, '__streams.errors.offset') === String(answer.body['offset']),
    );
    expect(mine.map(({ headers }) => headerOf(headers, 'voucherbus.error.reason'))).toEqual([
      expected.reason,
    ]);
  } else {
    expect(decision).toMatchObject({ outcome: 'IGNORED', label: expected.eventType });
  }
});

test('nothing was forwarded that no shape expects', () => {
  expect(outputs).toHaveLength(
    shapes.filter(({ expected }) => expected.kind === 'forwarded').length,
  );
  expect(letters).toHaveLength(
    shapes.filter(({ expected }) => expected.kind === 'dead-lettered').length,
  );
});
