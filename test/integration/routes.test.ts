/** Routes of the operator's own: checked, tried, in force, and changed under load. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { partitionOf } from '../../src/kafka/protocol/murmur2.ts';
import { startLoad } from '../support/ack-load.ts';
import { aBody } from '../support/builders.ts';
import { aDeployment, type Deployment, metric, until } from '../support/deployment.ts';
import { run } from '../support/run.ts';
import { post } from '../support/webhooks.ts';

let directory: string;
let file: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'voucherbus-routes-'));
  file = join(directory, 'routes.yaml');
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const routed = async ({ readAll, prefix }: Deployment, suffix: string) =>
  readAll(`${prefix}.publications.${suffix}`);

test('events follow the routes file: several topics, by customer, once per voucher; an event without a route becomes a dead letter', async () => {
  await writeFile(
    file,
    `match: all
routes:
  - { name: gifts, when: { campaign.type: GIFT_VOUCHERS }, to: [gift-vouchers, finance] }
  - { name: crm, when: { campaign.type: { exists: true } }, to: crm, key: customer, explode: true }
default: park
`,
  );
  await using deployment = await aDeployment(3, { ROUTES_FILE: file });
  const { url } = await deployment.start('bridge');
  await deployment.start('processor');
  await post(
    url,
    aBody({ publicationId: 'pub_gift', campaignType: 'GIFT_VOUCHERS', voucherCount: 2 }),
  );
  await post(url, aBody({ publicationId: 'pub_none', campaignType: null }));
  const letters = await until(async () => {
    const found = await deployment.readAll(deployment.catalog.deadLetters);
    return found.length > 0 && (await routed(deployment, 'crm')).length > 0 && found;
  }, 'both are decided');
  expect(letters.map((letter) => letter.header('voucherbus.error.reason'))).toEqual(['no-route']);
  const [finance] = await routed(deployment, 'finance');
  expect(await routed(deployment, 'gift-vouchers')).toHaveLength(1);
  expect([String(finance?.key), finance?.header('voucherbus.route')]).toEqual([
    'pub_gift',
    'gifts',
  ]);
  const crm = await routed(deployment, 'crm');
  const customer = 'cust_IdgAFZxYwwHctOk9pPuMu308';
  expect(crm.map(({ key, partition }) => [String(key), partition])).toEqual([
    [customer, partitionOf(customer, 3)],
    [customer, partitionOf(customer, 3)],
  ]);
  expect(crm.map((record) => record.header('ce_id'))).toEqual(['pub_gift.0', 'pub_gift.1']);
  const version = finance?.header('voucherbus.routes') ?? '';
  expect(version).toMatch(/^[0-9a-f]{12}$/);
  const journal = await deployment.journal();
  expect(new Set(journal.map(({ event }) => event.routesVersion))).toEqual(new Set([version]));
  const trace = await run(['trace', 'pub_gift', '--json'], deployment.env);
  const positions = JSON.parse(trace.output)[0].arrivals[0].decision.positions;
  expect(positions.map(({ topic }: { topic: string }) => topic.split('.').at(-1)).sort()).toEqual([
    'crm',
    'crm',
    'finance',
    'gift-vouchers',
  ]);
});

test('check reports mistakes with their lines, and missing topics; try reports what would change', async () => {
  await using deployment = await aDeployment(2);
  const { url } = await deployment.start('bridge');
  for (let i = 0; i < 6; i += 1) {
    await post(
      url,
      aBody({ publicationId: `pub_${i}`, campaignType: i < 4 ? 'GIFT_VOUCHERS' : null }),
    );
  }
  const routes = (...args: string[]) => run(['routes', ...args], deployment.env);
  await writeFile(file, 'match: first\nroutes:\n  - name: gifts\n    to: Gifts!\ndefault: other\n');
  const wrong = await routes('check', file);
  expect([wrong.code, wrong.messages]).toEqual([
    2,
    expect.stringContaining('routes.yaml: line 4: routes.0.to: expected the part of a topic name'),
  ]);
  await writeFile(
    file,
    'match: first\nroutes:\n  - name: gifts\n    when: { campaign.type: GIFT_VOUCHERS }\n    to: presents\ndefault: no-campaign\n',
  );
  const missing = await routes('check', file);
  expect([missing.code, missing.messages]).toEqual([
    1,
    expect.stringContaining(`topic ${deployment.prefix}.publications.presents does not exist`),
  ]);
  const tried = await routes('try', file, '--json');
  const presents = `${deployment.prefix}.publications.presents`;
  expect(JSON.parse(tried.output)).toMatchObject({
    events: 6,
    unchanged: 2,
    changes: [
      { before: deployment.catalog.publications['gift-vouchers'], after: presents, count: 4 },
    ],
  });
  expect((await run(['setup'], { ...deployment.env, ROUTES_FILE: file })).code).toBe(0);
  const right = await routes('check', file);
  expect([right.code, right.messages]).toEqual([
    0,
    expect.stringContaining(`their topics and schemas exist: ${presents}`),
  ]);
  const sample = join(directory, 'body.json');
  await writeFile(sample, aBody({ campaignType: 'GIFT_VOUCHERS' }));
  expect((await routes('try', file, '--sample', sample)).messages).toContain(`after   ${presents}`);
});

test('routes change repeatedly under load: nothing is lost or repeated, each event follows one version, and an invalid file changes nothing', async () => {
  const toTopic = (suffix: string) => `match: first\nroutes: []\ndefault: ${suffix}\n`;
  await writeFile(file, 'match: all\nroutes: [{ name: both, to: [red, blue] }]\ndefault: park\n');
  await using deployment = await aDeployment(3, { ROUTES_FILE: file });
  await writeFile(file, toTopic('red'));
  const bridge = await deployment.start('bridge');
  const processors = [await deployment.start('processor'), await deployment.start('processor')];
  const load = startLoad([bridge.url], 10);
  const reloads = async (outcome: string) => {
    const counts = await Promise.all(
      processors.map(({ admin }) =>
        metric(admin, `voucherbus_routes_reloads_total{outcome="${outcome}"}`),
      ),
    );
    return Math.min(...counts);
  };
  const change = async (text: string, outcome: string, times: number) => {
    await writeFile(file, text);
    await until(async () => (await reloads(outcome)) >= times, `${outcome} ${times} times`);
  };
  await change(toTopic('blue'), 'read', 1);
  await change('match: [', 'failed', 1);
  await change(toTopic('no-such-topic'), 'failed', 2);
  await change(toTopic('red'), 'read', 2);
  await change(toTopic('blue'), 'read', 3);
  await load.stop();
  const sent = load.acknowledged.size;
  const all = await until(async () => {
    const red = (await routed(deployment, 'red')).map((record) => ({ record, topic: 'red' }));
    const blue = (await routed(deployment, 'blue')).map((record) => ({ record, topic: 'blue' }));
    return red.length + blue.length >= sent && [...red, ...blue];
  }, 'all came out');
  expect(all).toHaveLength(sent);
  expect(new Set(all.map(({ record }) => String(record.key))).size).toBe(sent);
  const versions = new Map<string, Set<string>>();
  for (const { record, topic } of all) {
    const version = record.header('voucherbus.routes') ?? '';
    versions.set(version, (versions.get(version) ?? new Set()).add(topic));
  }
  expect([...versions.values()].map((topics) => [...topics])).toEqual(
    expect.arrayContaining([['red'], ['blue']]),
  );
  expect(versions.size).toBe(2);
  const audited = processors[0]?.child.output().match(/"action":"routes\.change","from":"\w+"/g);
  expect(audited).toHaveLength(3);
  const journal = await deployment.journal();
  expect(new Set(journal.map(({ event }) => event.routesVersion))).toEqual(
    new Set(versions.keys()),
  );
});
