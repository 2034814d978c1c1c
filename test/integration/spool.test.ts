/**
 * A bridge with a spool outlives Kafka: what it acknowledged is on raw in the end, once or more, in
 * the order in which it came.
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { aBody } from '../support/builders.ts';
import { aDeployment, type Deployment, metric, until } from '../support/deployment.ts';
import { freePort } from '../support/ports.ts';
import { startProxy } from '../support/proxy.ts';
import { post } from '../support/webhooks.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'voucherbus-spool-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const kafka = () => {
  const [host = '', port = ''] = (process.env['KAFKA_BROKERS'] ?? '').split(':');
  return { host, port: Number(port) };
};

/** A bridge whose Kafka goes away when the proxy does. */
const spooling = (port: number) => ({
  NODE_OPTIONS: `--import=${new URL('../support/redirect.ts', import.meta.url).href}`,
  REDIRECT: `${kafka().port}:${port}`,
  SPOOL_DIR: directory,
  SPOOL_AFTER: '1s',
});

const idsOnRaw = async ({ readAll, catalog }: Deployment) =>
  (await readAll(catalog.raw)).map(({ key }) => String(key));

test('without Kafka webhooks get 202 from the spool, survive kill -9, and follow in order when Kafka is reachable', async () => {
  await using deployment = await aDeployment(1);
  const proxy = await startProxy(kafka(), { isKafka: true });
  const first = await deployment.start('bridge', spooling(proxy.port));
  expect((await post(first.url, aBody({ publicationId: 'pub_0' }))).body['status']).toBe('stored');
  await proxy[Symbol.asyncDispose]();
  const ids = Array.from({ length: 50 }, (_, i) => `pub_${i + 1}`);
  for (const publicationId of ids) {
    const { status, body } = await post(first.url, aBody({ publicationId }));
    expect([status, body['status']]).toEqual([202, 'spooled']);
  }
  await until(
    async () => (await metric(first.admin, 'voucherbus_spool_webhooks')) === 50,
    'the metric shows them',
  );
  const readyz = await fetch(`${first.admin}/readyz`);
  expect([readyz.status, (await readyz.text()).includes('50 webhooks')]).toEqual([200, true]);
  first.child.kill('SIGKILL');
  await first.child.exited;

  await using back = await startProxy(kafka(), { isKafka: true });
  const second = await deployment.start('bridge', spooling(back.port));
  await until(async () => (await idsOnRaw(deployment)).length >= 51, 'what was spooled is on raw');
  const found = await idsOnRaw(deployment);
  expect(new Set(found)).toEqual(new Set(['pub_0', ...ids]));
  const order = [...new Set(found)].slice(1);
  expect(order).toEqual(ids);
  await until(async () => {
    const answer = await post(second.url, aBody({ publicationId: 'pub_last' }));
    return answer.body['status'] === 'stored';
  }, 'it goes straight through again');
});

test('a bridge that starts while Kafka and the registry are unreachable accepts webhooks, stops on SIGTERM, and the next bridge writes them to Kafka', async () => {
  await using deployment = await aDeployment(1);
  const [kafkaPort, registryPort] = [await freePort(), await freePort()];
  const registry = new URL(process.env['SCHEMA_REGISTRY_URL'] ?? '');
  const away = {
    ...spooling(kafkaPort),
    SCHEMA_REGISTRY_URL: registry.href.replace(registry.port, String(registryPort)),
  };
  const first = await deployment.start('bridge', away);
  expect((await post(first.url, aBody({ publicationId: 'pub_1' }))).body['status']).toBe('spooled');
  first.child.kill('SIGTERM');
  expect(await first.child.exited).toBe(0);

  const second = await deployment.start('bridge', away);
  expect((await post(second.url, aBody({ publicationId: 'pub_2' }))).body['status']).toBe(
    'spooled',
  );
  const readyz = await fetch(`${second.admin}/readyz`);
  expect([readyz.status, await readyz.text()]).toEqual([
    200,
    expect.stringContaining('have not been reached yet'),
  ]);
  await using _kafka = await startProxy(kafka(), { isKafka: true, port: kafkaPort });
  await until(
    async () => second.child.output().includes('waiting: cannot look up'),
    'it found Kafka',
  );
  await using _registry = await startProxy(
    { host: registry.hostname, port: Number(registry.port) },
    { isKafka: false, port: registryPort },
  );
  await until(async () => (await idsOnRaw(deployment)).length >= 2, 'both are on raw');
  expect(await idsOnRaw(deployment)).toEqual(['pub_1', 'pub_2']);
  await until(async () => {
    return (await post(second.url, aBody())).body['status'] === 'stored';
  }, 'it goes straight through');
});

test('a bridge that started without Kafka and then finds unfit topics stops with the command to run', async () => {
  await using deployment = await aDeployment(1);
  const port = await freePort();
  const { child, url } = await deployment.start('bridge', {
    ...spooling(port),
    TOPIC_PREFIX: 'none-such',
  });
  expect((await post(url, aBody())).status).toBe(202);
  await using _kafka = await startProxy(kafka(), { isKafka: true, port });
  expect(await child.exited).toBe(1);
  expect(child.output()).toContain('topic none-such.webhooks.raw does not exist');
});

test('under load Kafka becomes unreachable for a while: everything acknowledged is on raw, and nothing was refused', async () => {
  await using deployment = await aDeployment(3);
  let proxy = await startProxy(kafka(), { isKafka: true });
  const { port } = proxy;
  const bridge = await deployment.start('bridge', spooling(port));
  const acknowledged = new Set<string>();
  const refused: number[] = [];
  let next = 0;
  const send = async () => {
    while (next < 4_000) {
      const publicationId = `pub_${next++}`;
      const { status } = await post(bridge.url, aBody({ publicationId }));
      if (status === 202) acknowledged.add(publicationId);
      else refused.push(status);
    }
  };
  const senders = Array.from({ length: 20 }, send);
  for (let outages = 0; outages < 2; outages += 1) {
    const from = next;
    await until(async () => next > from + 400, 'it flows');
    await proxy[Symbol.asyncDispose]();
    await until(async () => next > from + 1_200, 'it is taken without Kafka');
    proxy = await startProxy(kafka(), { isKafka: true, port });
  }
  await Promise.all(senders);
  expect(refused).toEqual([]);
  const isAllThere = async () => {
    const found = new Set(await idsOnRaw(deployment));
    return [...acknowledged].every((id) => found.has(id));
  };
  await until(isAllThere, 'everything acknowledged is on raw');
  await proxy[Symbol.asyncDispose]();
});

const clock = (ms: number) => ({
  NODE_OPTIONS: `--import=${new URL('../support/clock.ts', import.meta.url).href}`,
  CLOCK: `0:${ms}`,
});

test('a bridge whose clock is two hours ahead stores webhooks nevertheless and reports it, and its spool is sent by a bridge with the right clock', async () => {
  await using deployment = await aDeployment(1);
  const ahead = await deployment.start('bridge', clock(2 * 3_600_000));
  expect((await post(ahead.url, aBody({ publicationId: 'pub_1' }))).body['status']).toBe('stored');
  expect(ahead.child.output()).toContain('Kafka refuses the timestamps of this host');
  expect(await metric(ahead.admin, 'voucherbus_clock_refusals_total')).toBeGreaterThan(0);
  ahead.child.kill('SIGTERM');
  await ahead.child.exited;

  // Spooled two hours ahead, while Kafka is unreachable …
  const proxy = await startProxy(kafka(), { isKafka: true });
  const away = spooling(proxy.port);
  const { NODE_OPTIONS, CLOCK } = clock(2 * 3_600_000);
  const both = { ...away, CLOCK, NODE_OPTIONS: `${away.NODE_OPTIONS} ${NODE_OPTIONS}` };
  const spooled = await deployment.start('bridge', both);
  await proxy[Symbol.asyncDispose]();
  expect((await post(spooled.url, aBody({ publicationId: 'pub_2' }))).body['status']).toBe(
    'spooled',
  );
  spooled.child.kill('SIGKILL');
  await spooled.child.exited;
  // … and sent by a bridge with the right clock, behind nothing and holding up nothing.
  const right = await deployment.start('bridge', { SPOOL_DIR: directory });
  await post(right.url, aBody({ publicationId: 'pub_3' }));
  await deployment.start('processor');
  const ids = async () => (await deployment.outputs()).map(({ event }) => event.publicationId);
  await until(async () => (await ids()).length === 3, 'all come out');
  expect((await ids()).toSorted()).toEqual(['pub_1', 'pub_2', 'pub_3']);
});

test.each(['with', 'without'])(
  'a webhook that raw refuses for good, %s a spool: the others are stored, and it gets 202 only if it is kept',
  async (way) => {
    await using deployment = await aDeployment(1);
    const spool = way === 'with' ? { SPOOL_DIR: directory } : {};
    const { url, child, admin } = await deployment.start('bridge', {
      ...spool,
      RESPONSE_TIMEOUT: '8s',
    });
    await deployment.admin.setConfig(deployment.catalog.raw, { 'max.message.bytes': '20000' });
    const large = aBody({ publicationId: 'pub_large' });
    const padded = Buffer.from(
      JSON.stringify({ ...(JSON.parse(large.toString()) as object), padding: 'x'.repeat(30_000) }),
    );
    const small = Array.from({ length: 5 }, (_, i) => aBody({ publicationId: `pub_${i}` }));
    const answers = await Promise.all([padded, ...small].map((body) => post(url, body)));
    expect(answers.slice(1).map(({ status }) => status)).toEqual([202, 202, 202, 202, 202]);
    expect(answers[0]?.status).toBe(way === 'with' ? 202 : 503);
    if (way === 'with') {
      expect(child.output()).toContain('Kafka refuses 1 webhooks for good');
      await until(async () => (await metric(admin, 'voucherbus_spool_refused')) === 1, 'it shows');
    } else {
      expect(child.output()).toContain('Kafka refused a webhook; the response is 503');
    }
  },
);
