import { expect, test } from 'vitest';
import type { PublicationSucceeded } from '../../../src/avro/records.ts';
import { schemas } from '../../../src/avro/schemas.ts';
import { disclosed, enrich, type PersonalField } from '../../../src/enrichment/enrich.ts';
import type { Publication } from '../../../src/voucherify/publication.ts';
import { aPublication, byWebhook } from '../../support/builders.ts';

const arrival = { source: 'voucherify', receivedAtMs: 2_000, processedAtMs: 3_000, ...byWebhook };
const enriched = (
  publication: Publication,
  fields: readonly PersonalField[] = [],
): PublicationSucceeded => {
  const result = enrich(publication, arrival, fields);
  if (result.kind === 'rejection') throw new Error(result.message);
  return result.event;
};

const types = [
  'DISCOUNT_COUPONS',
  'GIFT_VOUCHERS',
  'LOYALTY_PROGRAM',
  'REFERRAL_PROGRAM',
  'LUCKY_DRAW',
  null,
];

test.each(types)('what is made of campaign type %s fits the schema', (campaignType) => {
  const event = enriched(aPublication({ campaignType, voucherCount: 3 }));
  expect(schemas.PublicationSucceeded.type.isValid(event)).toBe(true);
  expect(event.vouchers).toHaveLength(3);
});

test('a campaign type not known here is UNKNOWN, and its text is kept', () => {
  const { campaign } = enriched(aPublication({ campaignType: 'LUCKY_DRAW' }));
  expect(campaign).toMatchObject({ type: 'UNKNOWN', typeText: 'LUCKY_DRAW', kind: 'AUTO_UPDATE' });
});

const sourced = (event_source: object | undefined, user: object | null, channel: string | null) => {
  const publication = aPublication({}, (data) => ({
    user,
    publication: { ...data['publication'], channel },
  }));
  return {
    ...publication,
    envelope: { ...publication.envelope, eventSource: event_source as never },
  };
};

test.each([
  [
    'a user of the dashboard',
    sourced(
      { channel: 'USER_PORTAL', user: { id: 'user_1' } },
      { id: 'user_1' },
      'voucherify-web-ui',
    ),
    { kind: 'USER', id: 'user_1', name: null },
  ],
  [
    'an API key',
    sourced({ channel: 'API', api_key: { name: 'shop', app_id: 'app_1' } }, null, 'API'),
    { kind: 'API_KEY', id: 'app_1', name: 'shop' },
  ],
  [
    'the client API',
    sourced({ channel: 'CLIENT_API' }, null, 'API'),
    { kind: 'API_KEY', id: null, name: null },
  ],
  [
    'a distribution',
    sourced({ channel: 'INTERNAL' }, null, 'Automation'),
    { kind: 'AUTOMATIC', id: null, name: null },
  ],
  [
    'no envelope, a user',
    sourced(undefined, { id: 'user_1' }, 'myown'),
    { kind: 'USER', id: 'user_1', name: null },
  ],
  [
    'no envelope, the API',
    sourced(undefined, null, 'API'),
    { kind: 'API_KEY', id: null, name: null },
  ],
  ['nothing known', sourced(undefined, null, 'myown'), { kind: 'UNKNOWN', id: null, name: null }],
])('the publisher of %s is told', (_, publication, publisher) => {
  expect(enriched(publication).publisher).toEqual(publisher);
});

const withPersonalData = aPublication({}, (data) => {
  const customer = {
    id: 'cust_1',
    name: 'Jack',
    email: 'j@x.com',
    metadata: { region: 'EMEA', nested: { a: 1 } },
  };
  return {
    customer,
    publication: {
      ...data['publication'],
      customer: { ...customer, phone: '+1', address: { city: 'Katowice' } },
    },
  };
});

test('personal data is left out unless it is asked for', () => {
  const { customer } = enriched(withPersonalData);
  expect(customer).toEqual({
    id: 'cust_1',
    sourceId: 'jck-wbhk',
    region: 'EMEA',
    metadata: { region: 'EMEA' },
    personal: null,
  });
  expect(JSON.stringify(enriched(withPersonalData))).not.toMatch(/Jack|j@x|Katowice|\+1/);
});

test('only requested fields are present', () => {
  const event = enriched(withPersonalData, ['email', 'address']);
  expect(event.customer?.personal).toMatchObject({
    name: null,
    email: 'j@x.com',
    phone: null,
    birthdate: null,
    address: { city: 'Katowice' },
  });
  expect(schemas.PublicationSucceeded.type.isValid(event)).toBe(true);
});

test('e-mail addresses and phone numbers in metadata are masked unless PERSONAL_DATA names them; ids are not', () => {
  const publication = aPublication({}, (data) => ({
    customer: {
      ...data['customer'],
      source_id: 'jack@example.com',
      metadata: { mail: 'jack@example.com', tel: '+48601234567', tier: 'gold' },
    },
  }));
  expect(enriched(publication).customer).toMatchObject({
    sourceId: 'jack@example.com',
    metadata: { mail: '(masked)', tel: '(masked)', tier: 'gold' },
  });
  expect(disclosed(enriched(publication), []).customer).toMatchObject({
    sourceId: null,
    metadata: {},
  });
  const own = disclosed(enriched(publication), ['sourceId', 'metadata']);
  expect(own).toEqual(enriched(publication));
  expect(schemas.PublicationSucceeded.type.isValid(disclosed(own, []))).toBe(true);
  expect(enriched(publication, ['email']).customer).toMatchObject({
    metadata: { mail: 'jack@example.com', tel: '(masked)' },
  });
});

test('a backfill says so, and when the vendor was asked; it is never complete', () => {
  const backfill = { ...arrival, origin: 'BACKFILL', asOfMs: 7 } as const;
  const result = enrich(aPublication(), backfill, []);
  expect(result.kind === 'event' && result.event).toMatchObject({
    origin: 'BACKFILL',
    asOf: 7,
    complete: false,
    missing: ['eventId', 'publisher'],
  });
  expect(enriched(aPublication())).toMatchObject({ origin: 'WEBHOOK', asOf: null, complete: true });
});
