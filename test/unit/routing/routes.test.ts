import { expect, test } from 'vitest';
import type { PublicationSucceeded } from '../../../src/codec/records.ts';
import { readRoutes } from '../../../src/config/routes-file.ts';
import { enrich } from '../../../src/enrichment/enrich.ts';
import { outputsOf } from '../../../src/processor/outputs.ts';
import { compileRoutes, type Routes } from '../../../src/routing/routes.ts';
import { aPublication } from '../../support/builders.ts';

function compiled(text: string): Routes {
  const read = readRoutes(text);
  if ('problems' in read) throw new Error(read.problems.join('\n'));
  return compileRoutes(read.file, 'v1', (suffix) => `t.${suffix}`);
}

const anEvent = (changes: Partial<PublicationSucceeded> = {}): PublicationSucceeded => {
  const publication = aPublication({ publicationId: 'pub_1', voucherCount: 3 });
  const event = enrich(publication, { source: 'shop', receivedAtMs: 1, processedAtMs: 2 }, []);
  if ('kind' in event) throw new Error(event.message);
  return { ...event, ...changes };
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

test('an exploded event leaves once for each voucher, under ids of its own; another key is the id that it names', () => {
  const routes = compiled(
    'match: first\nroutes: [{name: r, to: a, key: customer, explode: true}]\ndefault: park',
  );
  const outputs = outputsOf(event, routes);
  expect(outputs.map(({ id, key }) => [id, key])).toEqual([
    ['pub_1.0', 'cust_IdgAFZxYwwHctOk9pPuMu308'],
    ['pub_1.1', 'cust_IdgAFZxYwwHctOk9pPuMu308'],
    ['pub_1.2', 'cust_IdgAFZxYwwHctOk9pPuMu308'],
  ]);
  expect(outputs.map(({ event: one }) => one.vouchers)).toEqual(
    event.vouchers.map((voucher) => [voucher]),
  );
  expect(outputsOf(anEvent({ customer: null }), routes)[0]?.key).toBeUndefined();
});
