/**
 * A broker that allows exactly what `voucherbus acl print` prints: everything works, and each
 * permission that is taken away is named, at the start and while the service runs.
 */

import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import type { Child, Environment } from '../../src/app/child-process.ts';
import { type Granted, openAcls, printedAcls } from '../support/acls.ts';
import { aBody } from '../support/builders.ts';
import { aDeployment, type Deployment, until } from '../support/deployment.ts';
import { freePort } from '../support/ports.ts';
import { run } from '../support/run.ts';
import { type Secured, startSecured } from '../support/secured.ts';
import {
  reconcileSettings,
  type Simulator,
  startSimulator,
  watchSettings,
} from '../support/vendor-simulator.ts';
import { post } from '../support/webhooks.ts';

let secured: Secured;
let vendor: Simulator;
let deployment: Deployment;
let acls: Awaited<ReturnType<typeof openAcls>>;
let granted: readonly Granted[];
beforeAll(async () => {
  secured = await startSecured((line) => process.stderr.write(`· ${line}\n`));
  acls = await openAcls(secured.as.plain());
  vendor = await startSimulator();
  deployment = await aDeployment(2, {
    ...secured.as.plain(),
    CAMPAIGN_REFERENCE: 'true',
    RECONCILE: 'true',
    VOUCHERIFY_API_URL: vendor.url,
  });
  granted = await printedAcls(deployment.env);
  await acls.grant(granted);
});
afterAll(async () => {
  await deployment?.[Symbol.asyncDispose]();
  await vendor?.[Symbol.asyncDispose]();
  await acls?.[Symbol.asyncDispose]();
  await secured?.[Symbol.asyncDispose]();
});

/** The bridge watches the vendor's webhook, for which it needs permissions, too. */
const as = (role: 'bridge' | 'processor' | 'setup' | 'operator'): Environment => ({
  ...secured.as.scram256(role),
  ...(role === 'bridge' && watchSettings(vendor)),
});

test('with the printed permissions everything works', async () => {
  const { env } = deployment;
  const bridge = await deployment.start('bridge', as('bridge'));
  const processor = await deployment.start('processor', as('processor'));
  const operator: Environment = { ...env, ...as('operator') };
  const verify = ['verify', '--url', bridge.url, '--count', '300', '--json'];
  expect((await run(verify, operator)).output).toContain('"isExact": true');
  await post(bridge.url, aBody({ publicationId: 'pub_allowed' }));
  await until(
    async () => (await run(['trace', 'pub_allowed'], operator)).messages.includes('forwarded'),
    'the operator sees that it was forwarded',
  );
  expect(await run(['dead-letters', 'redrive', '--execute'], operator)).toMatchObject({ code: 0 });
  expect(await reconcile()).toMatchObject({ code: 0 });
  const readyz = await (await fetch(`${bridge.admin}/readyz`)).text();
  expect(readyz).toContain('no webhook has the target');
  for (const { child } of [bridge, processor]) child.kill('SIGTERM');
  await Promise.all([bridge.child.exited, processor.child.exited]);
  expect((await run(['adopt', '--execute'], operator)).messages).not.toContain('no permission');
});

const hourMs = 3_600_000;

/** Backfills one publication. */
function reconcile() {
  vendor.publish({ createdAtMs: Date.now() - 2 * hourMs });
  const args = ['reconcile', '--since', '1d', '--execute'];
  return run(args, { ...deployment.env, ...as('operator'), ...reconcileSettings(vendor) });
}

test('each permission that reconcile lacks is named', async () => {
  const { raw, reconcile: topic } = deployment.catalog;
  const needed = permissionsOf('operator').filter(
    ({ operation, resource, name }) =>
      (operation === 'READ' && name !== deployment.prefix) ||
      (resource === 'topic' && operation === 'WRITE' && [raw, topic].includes(name)),
  );
  expect(needed).toHaveLength(4);
  for (const permission of needed) {
    await acls.take(permission);
    const { code, messages } = await reconcile();
    expect([code, messages]).toEqual([1, expect.stringContaining(sentenceFor(permission))]);
    await acls.grant([permission]);
  }
  expect(await reconcile()).toMatchObject({ code: 0 });
});

test('acl print gives Strimzi resources, too', async () => {
  const { code, output } = await run(['acl', 'print', '--format', 'strimzi'], deployment.env);
  expect(code).toBe(0);
  const users = parseAllDocuments(output).map((document) => document.toJS());
  expect(users.map(({ kind, metadata }) => `${kind} ${metadata.name}`)).toEqual([
    'KafkaUser voucherbus-bridge',
    'KafkaUser voucherbus-processor',
    'KafkaUser voucherbus-setup',
    'KafkaUser voucherbus-operator',
  ]);
  const { acls: printed } = users[0].spec.authorization;
  expect(printed).toContainEqual({
    resource: { type: 'topic', name: deployment.catalog.raw, patternType: 'literal' },
    operations: ['Write'],
  });
});

type FiveGranted = [Granted, Granted, Granted, Granted, Granted];

test('setup creates topics and changes their settings; each permission that it lacks is named', async () => {
  const prefix = `setup-${randomBytes(3).toString('hex')}`;
  const names = { TOPIC_PREFIX: prefix, CONSUMER_GROUP: prefix };
  const env = { ...deployment.env, ...as('setup'), ...names };
  const own = (await printedAcls(env)).filter(({ principal }) => principal === 'User:setup');
  const [create, alter, alterConfigs, readRaw, readGroup] = own as FiveGranted;
  await acls.grant([alter]);
  expect((await run(['topics', 'apply'], env)).messages).toContain(
    `no permission for CREATE on topic ${prefix}.webhooks.raw: expected an ACL that allows it to User:setup`,
  );
  await acls.grant([create, alterConfigs]);
  expect((await run(['setup'], env)).messages).toContain(
    `no permission for READ on group ${prefix}`,
  );
  await acls.grant([readGroup]);
  expect((await run(['setup'], env)).messages).toContain(
    `no permission for READ on topic ${prefix}.webhooks.raw`,
  );
  await acls.grant([readRaw]);
  expect(await run(['setup'], env)).toMatchObject({ code: 0 });
  const other = { ...env, OUTPUT_RETENTION: '7d' };
  await acls.take(alterConfigs);
  expect((await run(['topics', 'apply'], other)).messages).toContain(
    `no permission for DESCRIBE_CONFIGS on topic ${prefix}.`,
  );
  await acls.grant([{ ...alterConfigs, operation: 'DESCRIBE_CONFIGS' }]);
  expect((await run(['topics', 'apply'], other)).messages).toContain(
    `no permission for ALTER_CONFIGS on topic ${prefix}.`,
  );
  await acls.grant([alterConfigs]);
  expect(await run(['topics', 'apply'], other)).toMatchObject({ code: 0 });
});

/** Returns the permissions of a role. */
const permissionsOf = (role: string) =>
  granted.filter(({ principal }) => principal === `User:${role}`);

/** Returns the beginning of the message. A prefix stands for a topic or id that begins with it. */
const sentenceFor = ({ operation, resource, name }: Granted) =>
  `no permission for ${operation} on ${resource} ${name}`;

test.each(['bridge', 'processor'] as const)(
  'each permission that the %s lacks at the start is named',
  async (role) => {
    // A record to process.
    const feeder = await deployment.start('bridge');
    const permissions = permissionsOf(role);
    expect(permissions.length).toBeGreaterThan(2);
    for (const permission of permissions) {
      await acls.take(permission);
      await post(feeder.url, aBody());
      const port = await freePort();
      const child = deployment.launch(role, { ...as(role), ADMIN_PORT: String(port) });
      const sentence = sentenceFor(permission);
      await until(
        async () => child.output().includes(sentence) || (await readiness(port)).includes(sentence),
        () => `${sentence}; the ${role} says ${child.output().slice(-2_000)}`,
      );
      expect(child.output()).toContain(permission.principal);
      child.kill('SIGKILL');
      await child.exited;
      await acls.grant([permission]);
    }
    feeder.child.kill('SIGKILL');
  },
);

async function readiness(port: number | string): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => undefined);
  return JSON.stringify((await response?.json().catch(() => undefined)) ?? '');
}

/** Waits until /readyz and the log have the sentence. */
async function isNamed(
  sentence: string,
  admin: string,
  child: Child,
  poke: () => Promise<unknown>,
) {
  const { port } = new URL(admin);
  let seen = '';
  await until(
    async () => {
      await poke();
      seen = await readiness(port);
      return seen.includes(sentence) && child.output().includes(sentence);
    },
    () => `${sentence}; /readyz says ${seen}, the log ${child.output().slice(-3_000)}`,
  );
}

test('what is taken away while the services run is in /readyz and the log; granted again, they go on', async () => {
  const bridge = await deployment.start('bridge', as('bridge'));
  const processor = await deployment.start('processor', as('processor'));
  const feeder = await deployment.start('bridge');
  const forwarded = async (publicationId: string) => {
    const { url } = feeder;
    await until(
      async () => (await post(url, aBody({ publicationId }))).status === 202,
      'the webhook is stored',
    );
    await until(
      async () =>
        (await deployment.outputs()).some(({ event }) => event.publicationId === publicationId),
      () =>
        `${publicationId} is forwarded; the processor says ${processor.child.output().slice(-2_000)}`,
    );
  };
  await forwarded('pub_begin');
  for (const permission of permissionsOf('bridge').filter(
    ({ operation }) => operation === 'WRITE',
  )) {
    await acls.take(permission);
    await isNamed(sentenceFor(permission), bridge.admin, bridge.child, () =>
      post(bridge.url, aBody()),
    );
    await acls.grant([permission]);
    await until(
      async () => (await post(bridge.url, aBody())).status === 202,
      'the bridge stores again',
    );
  }
  const needed = permissionsOf('processor').filter(
    ({ operation, name }) =>
      operation === 'WRITE' || (operation === 'READ' && name !== deployment.catalog.journal),
  );
  const used = needed.filter(
    ({ name }) => ![deployment.catalog.deadLetters, deployment.catalog.reference].includes(name),
  );
  expect(used.map(({ resource }) => resource).sort()).toEqual([
    'group',
    'topic',
    'topic',
    'transactional id',
  ]);
  for (const [i, permission] of used.entries()) {
    await acls.take(permission);
    await isNamed(sentenceFor(permission), processor.admin, processor.child, () =>
      post(feeder.url, aBody()),
    );
    await acls.grant([permission]);
    await forwarded(`pub_after_${i}`);
  }
  const ids = (await deployment.outputs()).map(({ event }) => event.publicationId);
  expect(new Set(ids).size).toBe(ids.length);
});
