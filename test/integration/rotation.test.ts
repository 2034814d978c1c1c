/**
 * Long lives: certificates, passwords and tokens are replaced, connections must authenticate again
 * every few seconds, and quotas throttle, all while webhooks come in. Nothing is lost or repeated.
 */

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { aBody } from '../support/builders.ts';
import { aDeployment, metric, until } from '../support/deployment.ts';
import { startFlow } from '../support/flow.ts';
import {
  type Secured,
  setDefaultQuotas,
  setScramPasswords,
  startSecured,
} from '../support/secured.ts';
import { post } from '../support/webhooks.ts';

let secured: Secured;
let directory: string;
beforeAll(async () => {
  const say = (line: string) => process.stderr.write(`· ${line}\n`);
  secured = await startSecured(say, { reauthMs: 4_000, tokenSeconds: 5 });
  directory = await mkdtemp(join(tmpdir(), 'voucherbus-rotation-'));
});
afterAll(async () => {
  await secured?.[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});

test.each(['plain', 'scram512', 'oauth'] as const)(
  'sessions of four seconds under load: %s',
  async (login) => {
    await using deployment = await aDeployment(2, secured.as[login]());
    const { url } = await deployment.start('bridge');
    await deployment.start('processor');
    await startFlow(deployment, url, { count: 900, concurrency: 20, perSecond: 100 }).check();
  },
);

test('a password is replaced at the broker and in its file: nothing is lost, and no restart is needed', async () => {
  const file = join(directory, 'password');
  await writeFile(file, 'first');
  await setScramPasswords(secured.as.open(), { admin: 'first' });
  const { KAFKA_SASL_PASSWORD: _, ...login } = secured.as.scram512('admin');
  await using deployment = await aDeployment(2, secured.as.open());
  const env = { ...login, KAFKA_SASL_PASSWORD_FILE: file };
  const { child: bridge, url } = await deployment.start('bridge', {
    ...env,
    SPOOL_DIR: join(directory, 'spool'),
    SPOOL_AFTER: '1s',
  });
  const processor = await deployment.start('processor', env);
  const flow = startFlow(deployment, url, { count: 1_500, concurrency: 20, perSecond: 100 });
  await until(async () => flow.begun() > 200, 'webhooks come in');
  await setScramPasswords(secured.as.open(), { admin: 'second' });
  await until(
    async () => bridge.output().includes('refuses the login of admin'),
    () => `the bridge is refused: ${bridge.output().slice(-2_000)}`,
  );
  await writeFile(file, 'second');
  await flow.check();
  expect([bridge, processor.child].map(({ output }) => output())).not.toContain('second');
});

test('a client certificate is replaced in its files: the next connections use it', async () => {
  const files = { cert: join(directory, 'tls.crt'), key: join(directory, 'tls.key') };
  const write = async (toDays: number) => {
    const certified = await secured.authority.certify({ name: 'admin', toDays });
    await writeFile(files.key, certified.key);
    await writeFile(files.cert, certified.cert);
  };
  await write(5);
  const { KAFKA_SSL_CERT: _, KAFKA_SSL_KEY: __, ...login } = secured.as.mtls();
  await using deployment = await aDeployment(2, secured.as.open());
  const env = { ...login, KAFKA_SSL_CERT_FILE: files.cert, KAFKA_SSL_KEY_FILE: files.key };
  const bridge = await deployment.start('bridge', env);
  const daysLeft = async () => {
    const name =
      'voucherbus_certificate_not_after_timestamp_seconds{peer="kafka",certificate="client"}';
    return ((await metric(bridge.admin, name)) - Date.now() / 1_000) / 86_400;
  };
  expect(bridge.child.output()).toContain('a certificate expires soon: renew it');
  expect(await daysLeft()).toBeLessThan(6);
  await write(20);
  const [broker] = secured.brokers.nodes;
  await broker?.kill();
  await broker?.start();
  await until(
    async () => (await post(bridge.url, aBody())).status === 202,
    'the bridge has connected again',
  );
  expect(bridge.child.output()).toContain('the certificates of KAFKA_SSL_* were read again');
  expect(await daysLeft()).toBeGreaterThan(19);
});

test('quotas throttle both services to a trickle: each event comes out once, and no transaction is repeated', async () => {
  await using deployment = await aDeployment(2, secured.as.open());
  const { url } = await deployment.start('bridge');
  const processor = await deployment.start('processor');
  const quota = 150_000;
  await setDefaultQuotas(secured.as.open(), {
    producer_byte_rate: quota,
    consumer_byte_rate: quota,
  });
  await startFlow(deployment, url, { count: 250, concurrency: 10 }).check();
  expect(await metric(processor.admin, 'voucherbus_transactions_total{outcome="failed"}')).toBe(0);
  expect(await metric(processor.admin, 'voucherbus_transactions_total{outcome="fenced"}')).toBe(0);
});
