import { expect, test } from 'vitest';
import { sampleText, sampleWebhook } from '../../../src/voucherify/sample.ts';
import { readWebhook } from '../../../src/voucherify/webhook.ts';

const read = (value: unknown) =>
  readWebhook(Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)));
const envelope = sampleWebhook({ publicationId: 'pub_1' }) as Record<string, unknown> & {
  data: object;
};
const distribution = { ...envelope, source: { id: 'distr_1', object: 'distribution' } };
const event = (type: unknown) => ({ id: 'evcus_1', type });

const shapes: readonly (readonly [string, unknown, string, string | undefined])[] = [
  [
    "the vendor's sample",
    sampleText('publication-succeeded'),
    'publication',
    'pub_r0413bLwExpB6LE0v286eNVmEpx6NxmP',
  ],
  ['a project envelope', envelope, 'publication', 'pub_1'],
  [
    'a distribution with a free-text type',
    { ...distribution, type: 'Summer e-mails', event: event('customer.publication.succeeded') },
    'publication',
    'pub_1',
  ],
  [
    'a distribution without an event type',
    { ...distribution, type: 'Summer e-mails', event: undefined },
    'publication',
    'pub_1',
  ],
  [
    'a distribution of another event',
    { ...distribution, type: 'Summer e-mails', event: event('customer.segment.entered') },
    'other-event',
    'pub_1',
  ],
  ['a raw payload at the root', envelope.data, 'publication', 'pub_1'],
  [
    'voucher.published of a project',
    sampleText('voucher-published'),
    'other-event',
    'pub_mLP4jygSMXfVejD3T9DmpsvHYah0Nd0I',
  ],
  [
    'voucher.published of a standalone campaign',
    sampleText('voucher-published.standalone'),
    'other-event',
    'pub_ID',
  ],
  [
    'an event type of the future',
    { ...envelope, type: 'publication.undone' },
    'other-event',
    'pub_1',
  ],
  [
    'the placeholder of "send test webhook"',
    { id: 'whs_000000000000000000', type: 'publication.succeeded', data: {} },
    'publication',
    undefined,
  ],
  ['a plain string', '  message  ', 'unreadable', undefined],
  ['a JSON string', '"message"', 'unreadable', undefined],
  ['null', 'null', 'unreadable', undefined],
  ['an array', '[]', 'unreadable', undefined],
  ['an object of no known shape', '{"hello":"world"}', 'unreadable', undefined],
  ['half a body', '{"type":"publication.succ', 'unreadable', undefined],
  ['nothing', '', 'unreadable', undefined],
];

test.each(shapes)('%s is recognised', (_, body, kind, publicationId) => {
  const webhook = read(body);
  expect(webhook.kind).toBe(kind);
  expect(webhook.envelope.publicationId).toBe(publicationId);
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

test('facts of the wrong kind are as good as absent', () => {
  const { envelope: facts } = read({ ...envelope, id: 7, event: 'none', project_id: null });
  expect(facts).toMatchObject({ webhookId: undefined, eventId: undefined, projectId: undefined });
});
