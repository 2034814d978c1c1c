/**
 * A broker that demands tokens, and their renewal every few seconds: an outage of the token
 * endpoint passes without help.
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { aBody } from '../support/builders.ts';
import { aDeployment, metric, until } from '../support/deployment.ts';
import { type Secured, startSecured } from '../support/secured.ts';
import { post } from '../support/webhooks.ts';

let secured: Secured;
let directory: string;
beforeAll(async () => {
  const say = (line: string) => process.stderr.write(`· ${line}\n`);
  secured = await startSecured(say, { reauthMs: 5_000, tokenSeconds: 10 });
  directory = await mkdtemp(join(tmpdir(), 'voucherbus-access-'));
});
afterAll(async () => {
  await secured?.[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});

test('the token endpoint is unreachable for several token lifetimes: the bridge spools, and reconnects without help', async () => {
  await using deployment = await aDeployment(1, secured.as.oauth());
  const bridge = await deployment.start('bridge', { SPOOL_DIR: directory, SPOOL_AFTER: '1s' });
  const processor = await deployment.start('processor');
  const send = async (publicationId: string) => {
    const { status, body } = await post(bridge.url, aBody({ publicationId }));
    expect(status).toBe(202);
    return body['status'];
  };
  expect(await send('pub_before')).toBe('stored');
  secured.identityProvider.setAway(true);
  // The broker ends each connection whose token is not renewed after five seconds.
  await until(async () => (await send(`pub_${Date.now()}`)) === 'spooled', 'Kafka is out of reach');
  await sleep(20_000);
  await send('pub_during');
  secured.identityProvider.setAway(false);
  await until(
    async () => (await metric(bridge.admin, 'voucherbus_spool_webhooks')) === 0,
    'the spool is empty',
  );
  await until(
    async () => (await send(`pub_${Date.now()}`)) === 'stored',
    'webhooks reach Kafka directly',
  );
  const ids = async () => (await deployment.outputs()).map(({ event }) => event.publicationId);
  await until(
    async () => (await ids()).includes('pub_during'),
    () =>
      `what was spooled comes out; the processor says ${processor.child.output().slice(-6_000)}`,
  );
  expect(new Set(await ids()).size).toBe((await ids()).length);
  expect(bridge.child.output()).not.toContain('MaxListenersExceededWarning');
});

test('a bridge with a spool that starts while the token endpoint is unreachable accepts webhooks, and waits', async () => {
  await using deployment = await aDeployment(1, secured.as.oauth());
  secured.identityProvider.setAway(true);
  const spool = join(directory, 'start');
  const bridge = await deployment.start('bridge', { SPOOL_DIR: spool, SPOOL_AFTER: '1s' });
  const { body } = await post(bridge.url, aBody({ publicationId: 'pub_1' }));
  expect(body['status']).toBe('spooled');
  secured.identityProvider.setAway(false);
  await until(
    async () => (await deployment.readAll(deployment.catalog.raw)).length > 0,
    'it is on raw',
  );
});
