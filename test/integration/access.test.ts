/**
 * A broker that demands tokens and allows what ACLs say: an outage of the token endpoint passes, a
 * permission that is missing is named.
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Environment } from '../../src/app/child-process.ts';
import { aBody } from '../support/builders.ts';
import { startSecuredBroker } from '../support/cluster.ts';
import { aDeployment, metric, until } from '../support/deployment.ts';
import { freePort } from '../support/ports.ts';
import { run } from '../support/run.ts';
import type { Brokers } from '../support/way.ts';
import { post } from '../support/webhooks.ts';

// Not before the patches of src/kafka are in place.
const { AclOperationTypes, AclPermissionTypes, AclResourceTypes, ResourcePatternTypes } =
  await import('kafkajs');

let brokers: Brokers;
let endpoint: Awaited<ReturnType<typeof aTokenEndpoint>>;
let directory: string;
beforeAll(async () => {
  endpoint = await aTokenEndpoint();
  brokers = await startSecuredBroker((line) => process.stderr.write(`· ${line}\n`));
  directory = await mkdtemp(join(tmpdir(), 'voucherbus-access-'));
});
afterAll(async () => {
  await brokers?.[Symbol.asyncDispose]();
  endpoint?.close();
  await rm(directory, { recursive: true, force: true });
});

const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');

/** Gives an unsigned JWT, valid for a minute, whose subject is the client's id. */
async function aTokenEndpoint() {
  let isAway = false;
  const server = createServer((request, response) => {
    if (isAway) {
      request.socket.destroy();
      return;
    }
    const [, basic = ''] = (request.headers.authorization ?? '').split(' ');
    const [subject] = Buffer.from(basic, 'base64').toString().split(':');
    const now = Math.floor(Date.now() / 1_000);
    const invariants = { sub: subject, iat: now, exp: now + 60 };
    const token = { access_token: `${part({ alg: 'none' })}.${part(invariants)}.`, expires_in: 60 };
    response.setHeader('content-type', 'application/json').end(JSON.stringify(token));
  });
  const port = await freePort();
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${port}/token`,
    setAway: (value: boolean) => {
      isAway = value;
    },
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

const as = (subject: string): Environment => ({
  KAFKA_BROKERS: brokers.bootstrap,
  KAFKA_SASL_MECHANISM: 'oauthbearer',
  KAFKA_OAUTH_TOKEN_URL: endpoint.url,
  KAFKA_OAUTH_CLIENT_ID: subject,
  KAFKA_OAUTH_CLIENT_SECRET: 'secret',
});

test('the token endpoint is unreachable for several token lifetimes: the bridge spools, and reconnects without help', async () => {
  await using deployment = await aDeployment(1, as('admin'));
  const bridge = await deployment.start('bridge', { SPOOL_DIR: directory, SPOOL_AFTER: '1s' });
  const processor = await deployment.start('processor');
  const send = async (publicationId: string) => {
    const { status, body } = await post(bridge.url, aBody({ publicationId }));
    expect(status).toBe(202);
    return body['status'];
  };
  expect(await send('pub_before')).toBe('stored');
  endpoint.setAway(true);
  // The broker ends each connection whose token is not renewed after five seconds.
  await until(async () => (await send(`pub_${Date.now()}`)) === 'spooled', 'Kafka is out of reach');
  await sleep(20_000);
  await send('pub_during');
  endpoint.setAway(false);
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
  await using deployment = await aDeployment(1, as('admin'));
  endpoint.setAway(true);
  const spool = join(directory, 'start');
  const bridge = await deployment.start('bridge', { SPOOL_DIR: spool, SPOOL_AFTER: '1s' });
  const { body } = await post(bridge.url, aBody({ publicationId: 'pub_1' }));
  expect(body['status']).toBe('spooled');
  endpoint.setAway(false);
  await until(
    async () => (await deployment.readAll(deployment.catalog.raw)).length > 0,
    'it is on raw',
  );
});

test('a missing permission is named at start, with its operation and topic; once granted, the service starts', async () => {
  await using deployment = await aDeployment(1, as('admin'));
  const { catalog, client, env } = deployment;
  const admin = client.admin();
  await admin.connect();
  const allow = (operation: number) =>
    admin.createAcls({
      acl: [
        {
          resourceType: AclResourceTypes.TOPIC,
          resourceName: deployment.prefix,
          resourcePatternType: ResourcePatternTypes.PREFIXED,
          principal: 'User:bridge',
          host: '*',
          operation,
          permissionType: AclPermissionTypes.ALLOW,
        },
      ],
    });
  await allow(AclOperationTypes.DESCRIBE);
  await allow(AclOperationTypes.DESCRIBE_CONFIGS);
  const refused = await run(['bridge'], { ...env, ...as('bridge') });
  expect(refused.code).toBe(1);
  expect(refused.output).toContain(`no permission for WRITE on topic ${catalog.raw}`);
  await allow(AclOperationTypes.WRITE);
  const bridge = await deployment.start('bridge', as('bridge'));
  expect((await post(bridge.url, aBody())).status).toBe(202);
  const processor = await run(['processor'], { ...env, ...as('bridge') });
  expect(processor.output).toContain(`no permission for READ on topic ${catalog.raw}`);
  await admin.disconnect();
});
