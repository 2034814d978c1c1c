/**
 * The vendor's rules against two bridges over an outage that is longer than its patience: the
 * webhook stays enabled, and each publication comes once.
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { seeded } from '../../src/verify/history.ts';
import { sampleWebhook } from '../../src/voucherify/sample.ts';
import { aDeployment, until } from '../support/deployment.ts';
import { doors } from '../support/doors.ts';
import { seedOf } from '../support/flow.ts';
import { freePort } from '../support/ports.ts';
import { hour, Provider } from '../support/provider.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'voucherbus-spool-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

/** The same event for every subscription, under another send-out id. */
const bodyFor = (publicationId: string, subscription: number) =>
  Buffer.from(
    JSON.stringify({
      ...sampleWebhook({ publicationId }),
      id: `whs_${subscription}_${publicationId}`,
    }),
  );

const outage = { from: hour, to: 26 * hour };

test('Kafka is unreachable for 25 hours, responses get lost, every webhook goes to two bridges: no webhook is disabled, each publication is forwarded once', async () => {
  const random = seeded(seedOf());
  await using deployment = await aDeployment(3);
  await using world = await doors(join(directory, 'a'));
  await Promise.all([world.openKafka(), world.openRegistry()]);
  await deployment.start('processor', { ...world.env, SPOOL_DIR: undefined });
  const bridges = [
    await deployment.start('bridge', world.env),
    await deployment.start('bridge', {
      ...world.env,
      BRIDGE_PORT: String(await freePort()),
      SPOOL_DIR: join(directory, 'b'),
    }),
  ];
  const provider = new Provider({
    urls: bridges.map(({ url }) => url),
    bodyFor,
    hears: () => random() > 0.1,
  });
  const ids = Array.from({ length: 300 }, (_, i) => `pub_${i}`);
  for (const [i, id] of ids.entries()) provider.publishAt((i / ids.length) * 28 * hour, id);
  provider.at(outage.from, () => world.shut('kafka'));
  provider.at(outage.to, () => world.openKafka());
  await provider.run();
  expect(provider.subscriptions.map(({ isDisabled }) => isDisabled)).toEqual([false, false]);
  for (const { attempts } of provider.subscriptions) expect(attempts).toBeGreaterThan(ids.length);
  await until(async () => {
    const found = (await deployment.outputs()).map(({ event }) => event.publicationId);
    return new Set(found).size === ids.length;
  }, 'every publication came');
  const isQuiet = async () => {
    const raw = (await deployment.readAll(deployment.catalog.raw)).length;
    const decided = (await deployment.journal()).flatMap(({ event }) => event.entries).length;
    return raw === decided && raw >= 2 * ids.length;
  };
  await until(isQuiet, 'the repeats are decided too');
  const published = (await deployment.outputs()).map(({ event }) => event.publicationId);
  expect(published.toSorted()).toEqual(ids.toSorted());
});

test('the same outage without a spool: the vendor disables the webhook', async () => {
  await using deployment = await aDeployment(1);
  await using world = await doors(directory);
  await Promise.all([world.openKafka(), world.openRegistry()]);
  const bridge = await deployment.start('bridge', {
    ...world.env,
    SPOOL_DIR: undefined,
    RESPONSE_TIMEOUT: '1s',
  });
  const provider = new Provider({ urls: [bridge.url], bodyFor, hears: () => true });
  provider.at(outage.from, () => world.shut('kafka'));
  provider.at(outage.to, () => world.openKafka());
  for (const id of ['pub_1', 'pub_2']) provider.publishAt(outage.from + 1, id);
  expect(await provider.run()).toBeGreaterThanOrEqual(outage.from + 24 * hour);
  expect(provider.subscriptions[0]).toMatchObject({ isDisabled: true, attempts: 26 });
});
