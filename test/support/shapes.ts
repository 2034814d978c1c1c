/**
 * The oracle: every shape in which Voucherify sends something, and its expected outcome. Sources:
 * the vendor's own examples (src/voucherify/samples), and bodies derived from its published schemas
 * and its pages on project settings and distribution webhooks (docs.voucherify.io, 2026-08).
 */

import { sampleText, sampleWebhook } from '../../src/voucherify/sample.ts';

type Json = Record<string, unknown>;

/** The expected outcome. `event`: the fields of the output event that matter to the shape. */
type Expected =
  | {
      readonly kind: 'forwarded';
      readonly topic: string;
      readonly publicationId: string;
      readonly event: object;
    }
  | { readonly kind: 'dead-lettered'; readonly reason: string }
  | { readonly kind: 'ignored'; readonly eventType: string };

type Shape = { readonly name: string; readonly body: Buffer; readonly expected: Expected };

const rows: [name: string, body: unknown, expected: Expected][] = [];

/** A row whose body is a variation of the vendor's sample, with a publication id of its own. */
function row(
  name: string,
  change: (webhook: Json & { data: Json & { publication: Json } }) => unknown,
  expected: (publicationId: string) => Expected,
): void {
  const publicationId = `pub_${String(rows.length).padStart(32, '0')}`;
  const webhook = sampleWebhook({ publicationId, createdAt: '2026-11-20T10:00:00.000Z' });
  rows.push([name, withIds(change(webhook as never)), expected(publicationId)]);
}

/** A publication names its vouchers: those that a row puts in the place of the sample's. */
function withIds(body: unknown): unknown {
  const { data } = body as { data?: Json & { publication?: Json | null } };
  if (typeof body === 'string' || !data?.publication) return body;
  const { publication } = data;
  const one = data['voucher'] ?? publication['voucher'];
  const vouchers = (data['vouchers'] ?? (one === undefined ? [] : [one])) as readonly Json[];
  const ids = vouchers.map(({ id }) => id);
  return {
    ...(body as Json),
    data: { ...data, publication: { ...publication, vouchers_id: ids } },
  };
}

const to =
  (topic: string, event: object) =>
  (publicationId: string): Expected => ({
    kind: 'forwarded',
    topic,
    publicationId,
    event,
  });
const deadLettered = (reason: string) => (): Expected => ({ kind: 'dead-lettered', reason });
const ignored = (eventType: string) => (): Expected => ({ kind: 'ignored', eventType });

type Change = Parameters<typeof row>[1];
const data =
  (changes: Json | ((data: Json & { publication: Json }) => Json)): Change =>
  (webhook) => ({
    ...webhook,
    data: {
      ...webhook.data,
      ...(typeof changes === 'function' ? changes(webhook.data) : changes),
    },
  });
const without =
  (key: string): Change =>
  (webhook) => ({
    ...webhook,
    data: Object.fromEntries(Object.entries(webhook.data).filter(([name]) => name !== key)),
  });
const voucher = (changes: Json) => ({
  id: 'v_1',
  code: 'CODE',
  object: 'voucher',
  created_at: '2026-11-20T10:00:00.000Z',
  ...changes,
});
const publication =
  (changes: Json): Change =>
  (webhook) => ({
    ...webhook,
    data: { ...webhook.data, publication: { ...webhook.data.publication, ...changes } },
  });

// The vendor's own bodies, byte for byte.
rows.push([
  'publication.succeeded, the only whole example that the vendor publishes',
  sampleText('publication-succeeded'),
  {
    kind: 'forwarded',
    topic: 'discount-coupons',
    publicationId: 'pub_r0413bLwExpB6LE0v286eNVmEpx6NxmP',
    event: { projectId: 'proj_Pr0j3CTs', webhookId: 'whs_0e3aeaf5495c2fd9fb' },
  },
]);
rows.push([
  'voucher.published of a loyalty programme',
  sampleText('voucher-published'),
  { kind: 'ignored', eventType: 'voucher.published' },
]);
rows.push([
  'voucher.published of a standalone campaign',
  sampleText('voucher-published.standalone'),
  { kind: 'ignored', eventType: 'voucher.published' },
]);

// Envelopes.
row(
  'a project envelope',
  (webhook) => webhook,
  to('discount-coupons', { groupId: 'v-0e3aeaf2e58de0ba42', publisher: { kind: 'USER' } }),
);
row(
  'an envelope with unknown fields everywhere',
  (webhook) => ({
    ...webhook,
    future: { deeply: ['new'] },
    data: {
      ...webhook.data,
      future: 1,
      publication: { ...webhook.data.publication, future: null },
    },
  }),
  to('discount-coupons', {}),
);
row(
  'an envelope whose keys stand in another order, with white space',
  (webhook) => JSON.stringify(Object.fromEntries(Object.entries(webhook).reverse()), null, 2),
  to('discount-coupons', {}),
);
row(
  'an envelope without event, as before 2024',
  ({ event: _, ...webhook }) => webhook,
  to('discount-coupons', { eventId: null, groupId: null }),
);
row(
  'published through the API: no user, an application',
  (webhook) => ({
    ...webhook,
    data: { ...webhook.data, user: null },
    event: {
      id: 'evpub_2',
      type: 'publication.succeeded',
      event_source: { channel: 'API', api_key: { name: 'shop', app_id: 'app_1' } },
    },
  }),
  to('discount-coupons', { publisher: { kind: 'API_KEY', id: 'app_1', name: 'shop' } }),
);
const distribution = { id: 'distr_1', object: 'distribution' };
row(
  'a distribution: its type is free text, event.type says what it is',
  (webhook) => ({
    ...webhook,
    type: 'Summer e-mails ☀',
    source: distribution,
    event: { id: 'evcus_1', type: 'customer.publication.succeeded' },
  }),
  to('discount-coupons', { eventId: 'evcus_1' }),
);
row(
  'a distribution without an event: the shape decides',
  ({ event: _, ...webhook }) => ({ ...webhook, type: 'Summer', source: distribution }),
  to('discount-coupons', {}),
);
row(
  'a distribution of another event',
  (webhook) => ({
    ...webhook,
    type: 'Welcome',
    source: distribution,
    event: { id: 'evcus_2', type: 'customer.segment.entered' },
  }),
  ignored('customer.segment.entered'),
);
row(
  'a distribution whose publication carries the voucher itself',
  (webhook) => ({
    ...webhook,
    type: 'Gift',
    source: distribution,
    event: { id: 'evcus_3', type: 'customer.publication.succeeded' },
    data: {
      customer: { id: 'cust_1', object: 'customer' },
      publication: {
        ...webhook.data.publication,
        voucher: voucher({ type: 'GIFT_VOUCHER', gift: { amount: 1_000, balance: 1_000 } }),
      },
    },
  }),
  to('no-campaign', { vouchers: [{ benefit: { kind: 'GIFT', amount: 1_000 } }] }),
);
row(
  'a raw payload: the designed JSON at the root, no envelope',
  (webhook) => webhook.data,
  to('discount-coupons', { webhookId: null, projectId: null }),
);
row(
  'a raw payload of another design',
  () => ({ code: 'A', name: 'B' }),
  deadLettered('unknown-shape'),
);
row('a raw payload that is a plain string', () => '  message  ', deadLettered('invalid-json'));
row('a raw payload that is a JSON string', () => '"message"', deadLettered('unknown-shape'));
row(
  '"Send test webhook": placeholders, no data',
  () => ({
    id: 'whs_000000000000000000',
    project_id: 'proj_000000000000000000',
    created_at: '2026-11-20T10:00:00.000Z',
    type: 'publication.succeeded',
    data: {},
    source: { id: 'wh_000000000000000000', object: 'webhook' },
  }),
  deadLettered('no-publication-id'),
);
row(
  'an event type of the future',
  (webhook) => ({ ...webhook, type: 'publication.undone' }),
  ignored('publication.undone'),
);
row(
  'customer.updated',
  () => ({
    type: 'customer.updated',
    data: { customer: { id: 'cust_1' } },
    event: { id: 'evcus_9' },
  }),
  ignored('customer.updated'),
);
row('an empty body', () => '', deadLettered('invalid-json'));
row(
  'a body cut off in the middle',
  () => '{"type":"publication.succ',
  deadLettered('invalid-json'),
);

// What may be null or absent.
for (const key of ['user', 'customer']) {
  const event = key === 'customer' ? { customer: { id: 'cust_IdgAFZxYwwHctOk9pPuMu308' } } : {};
  row(`${key} null`, data({ [key]: null }), to('discount-coupons', event));
  row(`${key} absent`, without(key), to('discount-coupons', event));
}
row(
  'customer null, in the publication too',
  (webhook) => ({
    ...webhook,
    data: {
      ...webhook.data,
      customer: null,
      publication: { ...webhook.data.publication, customer: null, customer_id: null },
    },
  }),
  to('discount-coupons', { customer: null }),
);
row(
  'a customer whose name, e-mail and source id are null',
  data({
    customer: { id: 'cust_1', name: null, email: null, source_id: null, object: 'customer' },
  }),
  to('discount-coupons', { customer: { id: 'cust_1' } }),
);
// Its voucher names the campaign: that much is told, and what is missing is named.
const namedByVoucher = to('other', {
  campaign: { id: 'camp_EV79Z6CjaAMpX4pFxVivvzzk', type: 'UNKNOWN', typeText: null },
  complete: false,
  missing: ['campaign', 'campaign.type'],
});
row('campaign null', data({ campaign: null }), namedByVoucher);
row('campaign absent', without('campaign'), namedByVoucher);
row(
  'campaign null, and the voucher names none',
  data({ campaign: null, vouchers: [voucher({ campaign: null, campaign_id: null })] }),
  to('no-campaign', { campaign: null, complete: true }),
);
row(
  'a campaign that is only a stub',
  data({ campaign: { id: 'camp_1', name: 'Stub', object: 'campaign' } }),
  to('other', { campaign: { id: 'camp_1', type: 'UNKNOWN', typeText: null } }),
);
row(
  'a campaign type of the future',
  data({ campaign: { id: 'camp_1', campaign_type: 'LUCKY_DRAW', object: 'campaign' } }),
  to('other', { campaign: { type: 'UNKNOWN', typeText: 'LUCKY_DRAW' } }),
);
row('publication null', data({ publication: null }), deadLettered('no-publication-id'));
row(
  'publication.source_id null',
  publication({ source_id: null }),
  to('discount-coupons', { publicationSourceId: null }),
);
row(
  'publication.metadata as distributions write it',
  publication({
    metadata: { source_type: 'distribution', source_id: 'distr_1', nested: { a: 1 } },
  }),
  to('discount-coupons', { metadata: { source_type: 'distribution', nested: '{"a":1}' } }),
);
row(
  'six fraction digits in times',
  publication({ created_at: '2026-11-20T10:00:00.577044Z' }),
  to('discount-coupons', { occurredAt: Date.parse('2026-11-20T10:00:00.577Z') }),
);
row(
  'a time that is none: the envelope has one too',
  publication({ created_at: 'yesterday' }),
  to('discount-coupons', {
    occurredAt: Date.parse('2026-11-20T10:00:00.000Z'),
    unreadable: ['$.data.publication.created_at'],
  }),
);
row(
  'odd values in optional fields: PHP’s empty objects, decimal amounts, times without zone',
  (webhook) => ({
    ...webhook,
    data: {
      ...webhook.data,
      publication: { ...webhook.data.publication, metadata: [], source_id: 5 },
      vouchers: [
        voucher({
          type: 'DISCOUNT_VOUCHER',
          metadata: [],
          start_date: '2026-11-20T10:00',
          expiration_date: 'never',
          discount: { type: 'AMOUNT', amount_off: 10.5 },
        }),
      ],
    },
  }),
  to('discount-coupons', {
    publicationSourceId: null,
    metadata: {},
    vouchers: [{ startsAt: Date.parse('2026-11-20T10:00:00Z'), benefit: { amount: null } }],
    unreadable: [
      '$.data.vouchers[0].discount.amount_off',
      '$.data.vouchers[0].expiration_date',
      '$.data.publication.source_id',
    ],
    complete: true,
  }),
);
row(
  'a reward that was paid for with a loyalty card: vouchers_id says which was published',
  (webhook) => ({
    customer: webhook.data['customer'],
    voucher: voucher({
      id: 'v_card',
      code: 'CARD',
      type: 'LOYALTY_CARD',
      loyalty_card: { points: 9 },
    }),
    publication: {
      ...webhook.data.publication,
      vouchers_id: ['v_reward'],
      voucher: voucher({
        id: 'v_reward',
        code: 'REWARD',
        type: 'GIFT_VOUCHER',
        gift: { amount: 500 },
        campaign: 'Rewards',
        campaign_id: 'camp_9',
      }),
    },
  }),
  to('gift-vouchers', {
    vouchers: [{ id: 'v_reward', code: 'REWARD' }],
    campaign: { id: 'camp_9', name: 'Rewards', type: 'GIFT_VOUCHERS' },
    complete: false,
    missing: ['campaign'],
  }),
);
row(
  'vouchers of which none is what the publication names',
  (webhook) => ({
    publication: { ...webhook.data.publication, vouchers_id: ['v_other'] },
    voucher: voucher({ type: 'GIFT_VOUCHER' }),
  }),
  deadLettered('invalid-publication'),
);

// Vouchers, one or many, and every benefit (schema SimpleVoucher, guides on discounts).
row(
  '`voucher`, as the schema says, in place of `vouchers`, as the example does',
  (webhook) => {
    const { vouchers: _, ...rest } = webhook.data;
    return { ...webhook, data: { ...rest, voucher: voucher({ type: 'DISCOUNT_VOUCHER' }) } };
  },
  to('discount-coupons', { vouchers: [{ code: 'CODE' }] }),
);
row(
  'fifty vouchers, the most that one publication has',
  data({
    vouchers: Array.from({ length: 50 }, (_, i) => voucher({ id: `v_${i}`, code: `C-${i}` })),
  }),
  to('discount-coupons', { vouchers: Array.from({ length: 50 }, (_, i) => ({ code: `C-${i}` })) }),
);
row('no voucher', data({ vouchers: [] }), deadLettered('invalid-publication'));
row(
  'a voucher without a code',
  data({ vouchers: [{ id: 'v_1' }] }),
  deadLettered('invalid-publication'),
);
const benefit = (name: string, type: string, changes: Json, expected: Json) =>
  row(
    name,
    data({
      campaign: { id: 'camp_1', campaign_type: type, object: 'campaign' },
      vouchers: [voucher(changes)],
    }),
    to(type.toLowerCase().replace('_', '-'), { vouchers: [{ benefit: expected }] }),
  );
const discount = (name: string, form: Json, expected: Json) =>
  benefit(name, 'DISCOUNT_COUPONS', { type: 'DISCOUNT_VOUCHER', discount: form }, expected);
discount(
  'an amount off',
  { type: 'AMOUNT', amount_off: 1_000, effect: 'APPLY_TO_ORDER' },
  { kind: 'AMOUNT_OFF', amount: 1_000, effect: 'APPLY_TO_ORDER' },
);
discount(
  'an amount off by a formula',
  { type: 'AMOUNT', amount_off: 0, amount_off_formula: 'PRICE/2', is_dynamic: true },
  { kind: 'AMOUNT_OFF', formula: 'PRICE/2' },
);
discount(
  'per cent off, limited',
  { type: 'PERCENT', percent_off: 12.5, amount_limit: 5_000 },
  { kind: 'PERCENT_OFF', percent: 12.5, amountLimit: 5_000 },
);
discount(
  'a fixed price',
  { type: 'FIXED', fixed_amount: 900 },
  { kind: 'FIXED_PRICE', amount: 900 },
);
discount(
  'one product free',
  {
    type: 'UNIT',
    unit_off: 2,
    unit_type: 'prod_1',
    effect: 'ADD_NEW_ITEMS',
    product: { id: 'prod_1', source_id: 'p1' },
  },
  { kind: 'UNITS_OFF', units: [{ count: 2, productId: 'prod_1', productSourceId: 'p1' }] },
);
discount(
  'several products free',
  {
    type: 'UNIT',
    effect: 'ADD_MANY_ITEMS',
    units: [
      { unit_off: 1, unit_type: 'sku_1', sku: { id: 'sku_1' } },
      { unit_off: 3, unit_type: 'prod_2' },
    ],
  },
  {
    kind: 'UNITS_OFF',
    units: [
      { count: 1, skuId: 'sku_1' },
      { count: 3, unitType: 'prod_2' },
    ],
  },
);
discount('a discount of the future', { type: 'HAGGLE', by: 3 }, { kind: 'UNKNOWN' });
benefit(
  'a gift card',
  'GIFT_VOUCHERS',
  { type: 'GIFT_VOUCHER', gift: { amount: 2_000, balance: 1_500, effect: 'APPLY_TO_ITEMS' } },
  { kind: 'GIFT', amount: 2_000, balance: 1_500 },
);
benefit(
  'a gift card without a balance',
  'GIFT_VOUCHERS',
  { type: 'GIFT_VOUCHER', gift: { amount: 2_000 }, discount: null, loyalty_card: null },
  { kind: 'GIFT', amount: 2_000, balance: null },
);
benefit(
  'a loyalty card',
  'LOYALTY_PROGRAM',
  {
    type: 'LOYALTY_CARD',
    loyalty_card: { points: 7, balance: 5, next_expiration_date: '2027-01-01' },
  },
  { kind: 'LOYALTY', points: 7, balance: 5 },
);
benefit(
  'a referral code',
  'REFERRAL_PROGRAM',
  {
    type: 'DISCOUNT_VOUCHER',
    is_referral_code: true,
    discount: { type: 'PERCENT', percent_off: 10 },
  },
  { kind: 'PERCENT_OFF', percent: 10 },
);

export const shapes: readonly Shape[] = rows.map(([name, body, expected]) => ({
  name,
  body: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)),
  expected,
}));
