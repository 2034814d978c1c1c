import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { PublicationSucceeded } from '../../../src/avro/records.ts';
import { readRoutes } from '../../../src/config/routes-file.ts';
import { enrich } from '../../../src/enrichment/enrich.ts';
import { outputsOf } from '../../../src/processor/outputs.ts';
import { compileRoutes, type Routes } from '../../../src/routing/routes.ts';
import { aPublication, byWebhook } from '../../support/builders.ts';

function compiled(text: string): Routes {
  const read = readRoutes(text);
  if (read.kind === 'invalid') throw new Error(read.problems.join('\n'));
  return compileRoutes(read.file, 'v1', (suffix) => `t.${suffix}`);
}

const anEvent = (changes: Partial<PublicationSucceeded> = {}): PublicationSucceeded => {
  const publication = aPublication({ publicationId: 'pub_1', voucherCount: 3 });
  const arrival = { source: 'shop', receivedAtMs: 1, processedAtMs: 2, ...byWebhook };
  const result = enrich(publication, arrival, []);
  if (result.kind === 'rejection') throw new Error(result.message);
  return { ...result.event, ...changes };
};

const event = anEvent({ metadata: { tier: 'gold', n: '5' } });

test.each([
  ['campaign.type: DISCOUNT_COUPONS', true],
  ['campaign.type: GIFT_VOUCHERS', false],
  ['campaign.type: [GIFT_VOUCHERS, DISCOUNT_COUPONS]', true],
  ['campaign.name: { prefix: "Free " }', true],
  ['campaign.name: { prefix: "free " }', false],
  ['campaign.id: { exists: true }', true],
  ['voucher.type: DISCOUNT_VOUCHER', true],
  ['voucher.type: { not: DISCOUNT_VOUCHER }', false],
  ['channel: { not: [API, Automation] }', true],
  ['channel: { not: { prefix: voucherify } }', false],
  ['source: shop', true],
  ['project: proj_Pr0j3CTs', true],
  ['region: EMEA', true],
  ['metadata.tier: gold', true],
  ['metadata.n: 5', true],
  ['metadata.none: { exists: false }', true],
  ['metadata.none: { not: x }', true],
  ['metadata.toString: { exists: true }', false],
  ['customer.metadata.region: EMEA', true],
  ['campaign.metadata.region: EMEA', false],
])('{%s} fits: %s', (when, fits) => {
  const routes = compiled(
    `match: first\nroutes: [{name: r, when: {${when}}, to: yes}]\ndefault: no\n`
      .replace('to: yes', 'to: "yes"')
      .replace('default: no', 'default: "no"'),
  );
  expect(routes.destinationsOf(event).map(({ topic }) => topic)).toEqual([fits ? 't.yes' : 't.no']);
});

test('without a campaign only `exists: false` and `not` fit its fields', () => {
  const none = anEvent({ campaign: null });
  const topics = (when: string) =>
    compiled(`match: first\nroutes: [{name: r, when: {${when}}, to: a}]\ndefault: b`)
      .destinationsOf(none)
      .map(({ topic }) => topic);
  expect(topics('campaign.type: { exists: false }')).toEqual(['t.a']);
  expect(topics('campaign.type: { not: GIFT_VOUCHERS }')).toEqual(['t.a']);
  expect(topics('campaign.type: { prefix: G }')).toEqual(['t.b']);
});

test('first takes one route, all takes every one, park none', () => {
  const file = (match: string, rest: string) => `match: ${match}
routes:
  - { name: one, when: { source: shop }, to: [a, b] }
  - { name: two, when: { metadata.tier: gold, region: EMEA }, to: c }
  - { name: three, when: { metadata.tier: gold, region: US }, to: d }
default: ${rest}`;
  const topics = (match: string, rest = 'other', of = event) =>
    compiled(file(match, rest))
      .destinationsOf(of)
      .map(({ topic, route }) => `${route} ${topic}`);
  expect(topics('first')).toEqual(['one t.a', 'one t.b']);
  expect(topics('all')).toEqual(['one t.a', 'one t.b', 'two t.c']);
  const stranger = anEvent({ source: 'other' });
  expect(topics('all', 'other', stranger)).toEqual(['default t.other']);
  expect(topics('all', 'park', stranger)).toEqual([]);
});

test("an exploded event is sent once per voucher, with its own ids; another key is that entity's id", () => {
  const routes = compiled(
    'match: first\nroutes: [{name: r, to: a, key: customer, explode: true}]\ndefault: park',
  );
  const outputs = outputsOf(event, routes, []);
  expect(outputs.map(({ id, key }) => [id, key])).toEqual([
    ['pub_1.0', 'cust_IdgAFZxYwwHctOk9pPuMu308'],
    ['pub_1.1', 'cust_IdgAFZxYwwHctOk9pPuMu308'],
    ['pub_1.2', 'cust_IdgAFZxYwwHctOk9pPuMu308'],
  ]);
  expect(outputs.map(({ event: one }) => one.vouchers)).toEqual(
    event.vouchers.map((voucher) => [voucher]),
  );
  expect(outputsOf(anEvent({ customer: null }), routes, [])[0]?.key).toBeUndefined();
});

test('of many routes those match that match alone, in their order', () => {
  const value = fc.constantFrom('a', 'b', 'c');
  const condition = fc.oneof(
    value,
    fc.array(value, { minLength: 1 }),
    fc.record({ prefix: value }),
    fc.record({ exists: fc.boolean() }),
    fc.record({ not: fc.oneof(value, fc.array(value, { minLength: 1 })) }),
  );
  const field = fc.constantFrom('campaign.name', 'channel', 'source', 'voucher.metadata.x');
  const routes = fc.array(fc.dictionary(field, condition, { minKeys: 1 }), { minLength: 1 });
  const events = fc.record({
    name: value,
    channel: value,
    source: value,
    vouchers: fc.array(value),
  });
  const topicsOf = (match: 'first' | 'all', whens: readonly object[], names: readonly string[]) =>
    compiled(
      JSON.stringify({
        match,
        routes: whens.map((when, i) => ({ name: names[i], when, to: names[i] })),
        default: 'none',
      }),
    );
  fc.assert(
    fc.property(routes, events, (whens, { name, channel, source, vouchers }) => {
      const {
        campaign,
        vouchers: [voucher],
      } = event;
      if (!campaign || !voucher) throw new Error('the sample has both');
      const one = anEvent({
        campaign: { ...campaign, name },
        channel,
        source,
        vouchers: vouchers.map((x) => ({ ...voucher, metadata: { x } })),
      });
      const names = whens.map((_, i) => `r${i}`);
      const alone = whens.flatMap((when, i) => {
        const topics = topicsOf('first', [when], [`r${i}`]).destinationsOf(one);
        return topics.map(({ topic }) => topic).filter((topic) => topic !== 't.none');
      });
      const together = (match: 'first' | 'all') =>
        topicsOf(match, whens, names)
          .destinationsOf(one)
          .map(({ topic }) => topic);
      expect(together('all')).toEqual(alone.length > 0 ? alone : ['t.none']);
      expect(together('first')).toEqual([alone[0] ?? 't.none']);
    }),
  );
});
