/**
 * Look-ups at a server that behaves like the vendor's API; and events that are completed by them,
 * under SIGKILL.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type LookupOptions, type LookupOutcome, Lookups } from '../../src/enrichment/lookups.ts';
import { VoucherifyApi } from '../../src/voucherify/api.ts';
import { allOnRaw, startLoad } from '../support/ack-load.ts';
import { aBody, aPublication } from '../support/builders.ts';
import { aDeployment, until } from '../support/deployment.ts';
import { credentials, startVendorApi, type VendorApi } from '../support/vendor-api.ts';

let vendor: VendorApi;
beforeEach(async () => {
  vendor = await startVendorApi();
});
afterEach(() => vendor[Symbol.asyncDispose]());

const environment = () => ({
  VOUCHERIFY_API_URL: vendor.url,
  VOUCHERIFY_APP_ID: credentials.appId,
  VOUCHERIFY_APP_TOKEN: credentials.appToken,
});

/** One whose campaign is only a stub, and whose customer has no source id. */
const aStub = (campaignId: string, customerId = 'cust_1') =>
  aPublication({ publicationId: `pub_${campaignId}` }, (data) => ({
    campaign: { id: campaignId, name: 'stub', object: 'campaign' },
    customer: { id: customerId, object: 'customer' },
    publication: { ...data['publication'], customer: null, tracking_id: null },
  }));

function lookups(options: Partial<LookupOptions> = {}, timeoutMs = 500) {
  const outcomes: LookupOutcome[] = [];
  const api = new VoucherifyApi({ url: vendor.url, ...credentials, timeoutMs });
  const made = new Lookups(api, {
    concurrency: 10,
    cacheSize: 1_000,
    cacheTtlMs: 60_000,
    maxWaitMs: 5_000,
    onFailure: 'forward-incomplete',
    onLookup: (outcome) => outcomes.push(outcome),
    ...options,
  });
  return { lookups: made, outcomes };
}

test('a stub campaign, a campaign that only vouchers name, and a source id are looked up; a complete event needs no look-up', async () => {
  const { lookups: all } = lookups();
  const none = aPublication({}, (data) => ({
    campaign: null,
    vouchers: [{ code: 'c', campaign_id: 'camp_2', campaign: 'Two' }],
    publication: data['publication'],
  }));
  const [stub, named, whole] = await all.complete([aStub('camp_1'), none, aPublication()]);
  expect(stub).toMatchObject({
    missing: [],
    campaign: { id: 'camp_1', type: 'GIFT_VOUCHERS', name: 'Campaign camp_1' },
    customer: { sourceId: 'source-of-cust_1' },
  });
  expect(named).toMatchObject({ missing: [], campaign: { id: 'camp_2', type: 'GIFT_VOUCHERS' } });
  expect(whole).toMatchObject({ missing: [], campaign: { type: 'DISCOUNT_COUPONS' } });
  expect(vendor.asked.toSorted()).toEqual([
    'campaigns/camp_1',
    'campaigns/camp_2',
    'customers/cust_1',
  ]);
});

test('each id is looked up once, within LOOKUP_CONCURRENCY, and remembered, also if the vendor does not know it', async () => {
  vendor.behaviour.delayMs = 30;
  const { lookups: all, outcomes } = lookups({ concurrency: 5 });
  const publications = Array.from({ length: 60 }, (_, i) => aStub(`camp_${i % 20}`));
  await all.complete(publications);
  await all.complete(publications);
  const [unknown] = await all.complete([aStub('camp_absent')]);
  await all.complete([aStub('camp_absent')]);
  expect(unknown).toMatchObject({ missing: ['campaign.type'], campaign: { type: null } });
  expect(vendor.asked).toHaveLength(22);
  expect(vendor.mostAtOnce()).toBe(5);
  expect(outcomes.filter((outcome) => outcome === 'absent')).toHaveLength(1);
});

test("the vendor's rate limit is honoured: no request is sent before it allows it, and everything is found in the end", async () => {
  vendor.behaviour.limit = { left: 0, perWindow: 5, windowSeconds: 1 };
  const { lookups: all } = lookups({ concurrency: 1 });
  const found = await all.complete(Array.from({ length: 8 }, (_, i) => aStub(`camp_${i}`)));
  expect(found.every(({ missing }) => missing.length === 0)).toBe(true);
  expect(vendor.asked.length).toBeLessThanOrEqual(11);
  const impatient = lookups({ maxWaitMs: 50 });
  vendor.behaviour.limit = { left: 0, perWindow: 0, windowSeconds: 60 };
  const [late] = await impatient.lookups.complete([aStub('camp_late')]);
  expect([late?.missing, impatient.outcomes]).toEqual([
    ['campaign.type', 'customer.sourceId'],
    expect.arrayContaining(['limited']),
  ]);
});

test.each([
  ['a server error', () => ({ status: 500 })],
  ['wrong credentials', () => ({ status: 401 })],
  ['broken JSON', () => ({ broken: '{"id": "jack@example.com"' })],
  ['a response that is too slow', () => ({ delayMs: 900 })],
  ['JSON of another shape', () => ({ broken: '[]' })],
])('%s: on, incomplete; or waiting, with a reason that quotes nothing', async (_, change) => {
  Object.assign(vendor.behaviour, change());
  const { lookups: going } = lookups({}, 300);
  const [event] = await going.complete([aStub('camp_1')]);
  expect(event?.missing).toContain('campaign.type');
  expect(event?.campaign).toMatchObject({ id: 'camp_1', type: null });
  const { lookups: waiting } = lookups({ onFailure: 'wait' }, 300);
  const error = await waiting.complete([aStub('camp_1')]).catch((thrown: Error) => thrown);
  expect(error).toMatchObject({ code: 'LOOKUP_UNAVAILABLE', recovery: 'retry' });
  expect(String(error)).not.toContain('jack');
});

test('after several failures in a row no request is sent for a while', async () => {
  vendor.behaviour.status = 500;
  const { lookups: all, outcomes } = lookups({ concurrency: 1 });
  for (let i = 0; i < 10; i += 1) await all.complete([aStub(`camp_${i}`)]);
  expect(vendor.asked).toHaveLength(5);
  expect(outcomes.at(-1)).toBe('circuit-open');
  expect(all.isCircuitOpen).toBe(true);
});

test('with a look-up of 100 ms for every event, and a processor killed: every publication comes once, complete', async () => {
  vendor.behaviour.delayMs = 100;
  await using deployment = await aDeployment(3, {
    ...environment(),
    LOOKUP_CONCURRENCY: '50',
  });
  const { url } = await deployment.start('bridge');
  const body = (i: number) => {
    const webhook = JSON.parse(aBody({ publicationId: `pub_${i}` }).toString());
    webhook.data.campaign = { id: `camp_${i}`, name: 'stub', object: 'campaign' };
    return JSON.stringify(webhook);
  };
  const load = startLoad([url], 20, body);
  await until(async () => load.acknowledged.size > 3_000, 'a backlog');
  await load.stop();
  const first = await deployment.start('processor');
  await deployment.start('processor');
  await sleep(2_500);
  first.child.kill('SIGKILL');
  await deployment.start('processor');
  const events = await until(async () => {
    const all = await deployment.outputs();
    return all.length >= load.acknowledged.size && all;
  }, 'all came out');
  await allOnRaw(load, deployment);
  expect(new Set(events.map(({ event }) => event.publicationId)).size).toBe(load.acknowledged.size);
  expect(events).toHaveLength(load.acknowledged.size);
  expect(events.every(({ kind, event }) => kind === 'gift-vouchers' && event.complete)).toBe(true);
});

test('with LOOKUP_FAILURE=wait the partition waits, reports why, and continues when the vendor is reachable', async () => {
  vendor.behaviour.status = 503;
  await using deployment = await aDeployment(1, {
    ...environment(),
    LOOKUP_FAILURE: 'wait',
  });
  const { url } = await deployment.start('bridge');
  const { admin } = await deployment.start('processor');
  const webhook = JSON.parse(aBody({ publicationId: 'pub_waits' }).toString());
  webhook.data.campaign = { id: 'camp_1', name: 'stub', object: 'campaign' };
  const load = startLoad([url], 1, () => JSON.stringify(webhook));
  await until(async () => load.acknowledged.size > 0, 'it is sent');
  await load.stop();
  const why = await until(async () => {
    const text = await (await fetch(`${admin}/readyz`)).text();
    return text.includes('cannot look up') && text;
  }, '/readyz says so');
  expect(why).toContain('campaigns/camp_1');
  expect(await deployment.outputs()).toEqual([]);
  vendor.behaviour.status = 200;
  const events = await until(async () => {
    const all = await deployment.outputs();
    return all.length > 0 && all;
  }, 'it came out');
  expect(events).toMatchObject([{ event: { publicationId: 'pub_waits', complete: true } }]);
});
