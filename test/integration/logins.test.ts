/**
 * Every way of connecting to Kafka, with the whole product on it: set-up, bridge, processor,
 * verify, trace and redrive. `make compat` runs this file on each supported version of Kafka.
 */

import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { aBody } from '../support/builders.ts';
import { aDeployment, metric, until } from '../support/deployment.ts';
import { run } from '../support/run.ts';
import { type Secured, startSecured } from '../support/secured.ts';
import { post } from '../support/webhooks.ts';

let secured: Secured;
let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'voucherbus-logins-'));
  secured = await startSecured((line) => process.stderr.write(`· ${line}\n`));
});
afterAll(async () => {
  await secured?.[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});

const logins = ['open', 'tls', 'mtls', 'plain', 'scram256', 'scram512', 'oauth'] as const;

/** Enough for several transactions of each partition. */
const webhooks = 2_000;

test.each(logins)('with the login %s everything works', async (login) => {
  const as = secured.as[login]();
  await using deployment = await aDeployment(2, as);
  const { env, catalog } = deployment;
  expect(await run(['setup'], env)).toMatchObject({ code: 0 });
  const bridge = await deployment.start('bridge');
  const processor = await deployment.start('processor');
  const report = join(directory, login);
  const verified = await run(
    [
      'verify',
      '--url',
      bridge.url,
      '--count',
      String(webhooks),
      '--rate',
      '4000',
      '--json',
      '--report',
      report,
    ],
    env,
  );
  expect(verified.output).toContain('"isExact": true');
  expect(verified.code).toBe(0);
  const page = await readFile(`${report}.md`, 'utf8');
  expect(page).toContain('# Exactly once');
  expect(page).not.toContain('✗');
  const { features, kafkaLogin } = JSON.parse(await readFile(`${report}.json`, 'utf8'));
  expect(features['metadata.version']).toBeGreaterThan(0);
  expect(kafkaLogin).toContain(login === 'open' ? 'plaintext' : 'TLS');

  expect((await post(bridge.url, aBody({ publicationId: 'pub_traced' }))).status).toBe(202);
  await until(
    async () => (await run(['trace', 'pub_traced'], env)).messages.includes('forwarded'),
    'the trace shows that it was forwarded',
  );

  // Some of verify's webhooks are invalid on purpose, and stay so.
  const letters = async () => (await deployment.readAll(catalog.deadLetters)).length;
  const before = await letters();
  expect(before).toBeGreaterThan(0);
  expect(await run(['dead-letters', 'redrive', '--execute'], env)).toMatchObject({ code: 0 });
  await until(async () => (await letters()) === 2 * before, 'the letters were processed again');

  if (login === 'open') return;
  const name =
    'voucherbus_certificate_not_after_timestamp_seconds{peer="kafka",certificate="server"}';
  for (const { admin } of [bridge, processor]) {
    expect(await metric(admin, name)).toBeGreaterThan(Date.now() / 1_000);
  }
});
