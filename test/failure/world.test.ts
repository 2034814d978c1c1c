/**
 * Clocks that are wrong, topics that take less, a registry and topics that go away: waited for or
 * parked as designed, nothing lost, nothing twice.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Writer } from '../../src/kafka/writer.ts';
import { aBody } from '../support/builders.ts';
import { aDeployment, metric, until } from '../support/deployment.ts';
import { startFlow } from '../support/flow.ts';
import { applyTopics } from '../support/prepared.ts';
import { startProxy } from '../support/proxy.ts';
import { run } from '../support/run.ts';
import { bounded } from '../support/soak.ts';
import { post } from '../support/webhooks.ts';

const load = { count: 20_000, concurrency: 20, perSecond: 1_500 };
const hour = 3_600_000;

test('one processor an hour ahead and one whose clock jumps an hour forth and back, one of them killed: every publication once', async () => {
  // The window is told by an eighth in clocks that disagree: 90 minutes.
  await using deployment = await aDeployment(6, { DEDUP_WINDOW: '12h', RAW_RETENTION: '11h' });
  const bridge = await deployment.start('bridge');
  const NODE_OPTIONS = `--import=${new URL('../support/clock.ts', import.meta.url).href}`;
  const ahead = await deployment.start('processor', { NODE_OPTIONS, CLOCK: `0:${hour}` });
  const jumps = `0:0,3000:${-hour},7000:${hour},11000:0`;
  await deployment.start('processor', { NODE_OPTIONS, CLOCK: jumps });
  const flow = startFlow(deployment, bridge.url, load);
  await until(async () => flow.begun() > load.count / 2, 'half of it was sent');
  ahead.child.kill('SIGKILL');
  await deployment.start('processor', { NODE_OPTIONS, CLOCK: `0:${-hour}` });
  await flow.check();
});

test('an output topic accepts less than a batch needs: the batch is split; less than one event needs: the event becomes a dead letter, and the partition continues', async () => {
  await using deployment = await aDeployment(2);
  const bridge = await deployment.start('bridge');
  const { child } = await deployment.start('processor');
  const { catalog, client } = deployment;
  const topic = catalog.publications['gift-vouchers'];
  const kafka = client.admin();
  await kafka.connect();
  const limits = [{ name: 'max.message.bytes', value: '3000' }];
  await kafka.alterConfigs({
    validateOnly: false,
    resources: [{ type: 2, name: topic, configEntries: limits }],
  });
  await kafka.disconnect();
  const flow = startFlow(deployment, bridge.url, { ...load, perSecond: 3_000, concurrency: 60 });
  const large = aBody({
    publicationId: 'pub_large',
    campaignType: 'GIFT_VOUCHERS',
    voucherCount: 50,
  });
  await sleep(3_000);
  expect((await post(bridge.url, large)).status).toBe(202);
  const letter = await until(
    async () =>
      (await deployment.readAll(catalog.deadLetters)).find(
        ({ key }) => String(key) === 'pub_large',
      ),
    'the large one is parked',
  );
  const headers = new Map(letter.headers.map(([name, value]) => [name, String(value)]));
  expect(headers.get('voucherbus.error.reason')).toBe('too-large-for-topic');
  expect(headers.get('__streams.errors.message')).toContain(`for ${topic}: expected at most 3000`);
  const { invariants } = await flow.verdict();
  // It alone was not in the flow's own history.
  const violations = invariants.flatMap((one) => one.violations);
  expect(violations.filter((text) => !text.startsWith('pub_large: '))).toEqual([]);
  expect(child.output()).not.toContain('"level":"error"');
});

test('the registry is unreachable for a while, and a processor joins meanwhile: the running ones continue, the new one waits, reports it, and works afterwards', async () => {
  await using deployment = await aDeployment(4);
  const registry = new URL(process.env['SCHEMA_REGISTRY_URL'] ?? '');
  const target = { host: registry.hostname, port: Number(registry.port) };
  const proxy = await startProxy(target, { isKafka: false });
  const proxied = new URL(registry);
  proxied.port = String(proxy.port);
  const settings = { SCHEMA_REGISTRY_URL: proxied.href, START_TIMEOUT: '120s' };
  const bridge = await deployment.start('bridge', settings);
  const first = await deployment.start('processor', settings);
  const flow = startFlow(deployment, bridge.url, load);
  await until(async () => flow.begun() > 2_000, 'it flows');
  const port = proxy.port;
  await proxy[Symbol.asyncDispose]();
  const joining = deployment.launch('processor', settings);
  const committed = () => metric(first.admin, 'voucherbus_transactions_total{outcome="committed"}');
  const before = await committed();
  await sleep(bounded(8_000, 60_000));
  expect(await committed()).toBeGreaterThan(before);
  expect(joining.output()).toMatch(/waiting: .*registry/i);
  await using back = await startProxy(target, { isKafka: false, port });
  await joining.said('the processor is running');
  expect(back.port).toBe(port);
  await flow.check();
});

test('a raw record of an unknown schema id becomes a dead letter with its reason, and the partition continues', async () => {
  await using deployment = await aDeployment(1);
  const bridge = await deployment.start('bridge');
  await deployment.start('processor');
  const flow = startFlow(deployment, bridge.url, load);
  const writer = await Writer.open(deployment.client, deployment.catalog.raw);
  const value = Buffer.from([0, 0x7f, 0xff, 0xff, 0xf0, 1, 2, 3]);
  await writer.write([{ key: 'stranger', value }], 5_000);
  await writer.close();
  const letter = await until(
    async () =>
      (await deployment.readAll(deployment.catalog.deadLetters)).find(
        ({ key }) => String(key) === 'stranger',
      ),
    'it is parked',
  );
  const headers = new Map(letter.headers.map(([name, text]) => [name, String(text)]));
  expect(headers.get('voucherbus.error.reason')).toBe('unknown-schema');
  expect(letter.value).toEqual(value);
  const violations = (await flow.verdict()).invariants.flatMap((one) => one.violations);
  expect(violations).toEqual([expect.stringContaining('stranger: ')]);
});

test('an output topic is deleted under load: the processor waits and reports for what; recreated, it is another topic: once adopted, everything continues and nothing else is lost', async () => {
  await using deployment = await aDeployment(2);
  const bridge = await deployment.start('bridge');
  const { child, admin } = await deployment.start('processor');
  const flow = startFlow(deployment, bridge.url, load);
  await until(async () => flow.begun() > 5_000, 'it flows');
  const topic = deployment.catalog.publications['referral-program'];
  await deployment.admin.remove([topic]);
  // Not only the first failure must say it: a later one has forgotten what the topic was.
  await sleep(5_000);
  await until(async () => {
    const answer = await fetch(`${admin}/readyz`);
    return answer.status === 503 && (await answer.text()).includes(topic);
  }, 'it says that it is not ready, and for which topic it waits');
  await applyTopics(deployment.catalog, deployment.admin);
  expect(await child.exited).toBe(1);
  expect(child.output()).toContain(`${topic} has the topic id`);
  await run(['adopt', '--execute'], deployment.env);
  await deployment.start('processor');
  const { invariants } = await flow.verdict();
  // What had been delivered to the topic went with it; all of these, and nothing else, are missing.
  const violations = invariants.flatMap((one) => one.violations);
  const isOfTopic = (text: string) => text.includes(topic) || text.endsWith('nowhere');
  expect(violations.filter((text) => !isOfTopic(text))).toEqual([]);
  const lost = violations.filter((text) => text.endsWith('nowhere'));
  expect(lost.length).toBeLessThan(5_000 / 6 + 2_000);
  expect(child.output()).toContain(topic);
});
