import { expect, test } from 'vitest';
import { readEnvelopeFields } from '../../../src/bridge/fast-path/json-fields.ts';
import { readPublication } from '../../../src/voucherify/publication.ts';
import { sampleWebhook } from '../../../src/voucherify/sample.ts';
import { readWebhook } from '../../../src/voucherify/webhook.ts';
import { shapes } from '../../support/shapes.ts';

const read = (value: unknown) =>
  readWebhook(Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)));
const envelope = sampleWebhook({ publicationId: 'pub_1' }) as Record<string, unknown> & {
  data: object;
};

/** Returns the oracle's expectation, as far as this module decides it. */
const outcomeOf = (body: Buffer) => {
  const webhook = readWebhook(body);
  if (webhook.kind === 'unreadable') return { kind: 'dead-lettered', reason: webhook.reason };
  if (webhook.kind === 'other-event') return { kind: 'ignored', eventType: webhook.eventType };
  const publication = readPublication(webhook);
  return publication.kind === 'rejection'
    ? { kind: 'dead-lettered', reason: publication.reason }
    : { publicationId: publication.id };
};

test.each(shapes)('$name', ({ body, expected }) => {
  const forwarded = expected.kind === 'forwarded' && { publicationId: expected.publicationId };
  expect(outcomeOf(body)).toEqual(forwarded || expected);
});

test.each(shapes)('$name: the fields read alone equal those of the envelope', ({ body }) => {
  const { eventSource: _, ...facts } = readWebhook(body).envelope;
  expect(readEnvelopeFields(body)).toEqual(facts);
});

test.each(['null', '[]', 'true', '7'])('%s has no known shape', (text) => {
  expect(read(text)).toMatchObject({ kind: 'unreadable', reason: 'unknown-shape' });
});

test('fields too long for a header count as absent', () => {
  const long = 'x'.repeat(513);
  const webhook = read({ ...envelope, type: long, event: { id: long, created_at: long } });
  expect(webhook).toMatchObject({
    kind: 'other-event',
    eventType: long.slice(0, 512),
    envelope: { eventType: undefined, eventId: undefined },
  });
});

test('bytes that are no UTF-8 are not JSON', () => {
  const body = Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]);
  expect(readWebhook(body)).toMatchObject({
    kind: 'unreadable',
    reason: 'invalid-json',
    message: 'the body is not UTF-8',
  });
});

test('what is unreadable is described without its content', () => {
  const webhook = read('{"email": "jack@example.com"');
  expect(JSON.stringify(webhook)).not.toContain('jack');
});

test('fields of another type count as absent', () => {
  const { envelope: facts } = read({ ...envelope, id: 7, event: 'none', project_id: null });
  expect(facts).toMatchObject({ webhookId: undefined, eventId: undefined, projectId: undefined });
});
