/**
 * Five incidents, each solved in the console in at most three clicks from the first page. The time
 * from loading that page to the solution is printed.
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Environment } from '../../src/app/child-process.ts';
import { sampleWebhook } from '../../src/voucherify/sample.ts';
import { signedHeaders } from '../../src/voucherify/signature.ts';
import { openBrowser } from '../support/browser.ts';
import { aBody } from '../support/builders.ts';
import { startConsole } from '../support/console.ts';
import { aDeployment, type Deployment, metric, until } from '../support/deployment.ts';
import { doors } from '../support/doors.ts';
import { post } from '../support/webhooks.ts';

const opened = new AsyncDisposableStack();
let browser: Awaited<ReturnType<typeof openBrowser>>;
beforeAll(async () => {
  browser = opened.use(await openBrowser());
});
afterAll(() => opened.disposeAsync());

/** Starts a console that shows these admin addresses. */
async function consoleFor(deployment: Deployment, ...admins: readonly string[]) {
  const { child, base } = await startConsole(deployment, admins);
  opened.use(child);
  return base;
}

async function deploymentWith(settings: Environment = {}) {
  return opened.use(await aDeployment(2, settings));
}

type Step = string | { readonly type: string };

/**
 * Waits until the first page shows the problem. Then clicks each text in turn, or types, until the
 * solution is shown.
 */
async function solve(base: string, problem: string, steps: readonly Step[], answer: RegExp) {
  const clicks = steps.filter((step) => typeof step === 'string').length;
  expect(clicks).toBeLessThanOrEqual(3);
  await using visit = await browser.visit('dark');
  const { page } = visit;
  await page.goto(base);
  await page.getByText(problem).first().waitFor();
  const startedAt = performance.now();
  await page.goto(base);
  for (const step of steps) {
    if (typeof step === 'string') await page.getByRole('link', { name: step }).first().click();
    else {
      await page.locator('#id').fill(step.type);
      await page.keyboard.press('Enter');
    }
  }
  await page.locator('main').getByText(answer).first().waitFor();
  const ms = Math.round(performance.now() - startedAt);
  process.stderr.write(`· "${problem}": ${clicks} clicks, ${ms} ms to "${answer.source}"\n`);
  expect(visit.complaints).toEqual([]);
}

test('a poison event after a deployment', async () => {
  const deployment = await deploymentWith();
  const bridge = await deployment.start('bridge');
  const { admin } = await deployment.start('processor');
  const base = await consoleFor(deployment, bridge.admin, admin);
  await until(async () => (await metric(admin, 'voucherbus_ready')) === 1, 'it is ready');
  await post(bridge.url, aBody());
  await until(async () => (await metric(admin, 'voucherbus_events_total')) === 1, 'one is decided');
  const poison = { type: 'publication.succeeded', data: { publication: { id: 'pub_poison' } } };
  await post(bridge.url, Buffer.from(JSON.stringify(poison)));
  const steps = ['became dead letters', 'invalid-publication'];
  await solve(base, 'became dead letters', steps, /expected an ISO 8601 time, found nothing/);
});

test('a hung processor', async () => {
  const deployment = await deploymentWith();
  const bridge = await deployment.start('bridge');
  const { admin, child } = await deployment.start('processor');
  const base = await consoleFor(deployment, bridge.admin, admin);
  await until(async () => (await metric(admin, 'voucherbus_ready')) === 1, 'it is ready');
  child.kill('SIGSTOP');
  try {
    const { host } = new URL(admin);
    await solve(base, 'cannot be reached', ['cannot be reached'], new RegExp(host));
  } finally {
    child.kill('SIGCONT');
  }
});

test('Kafka is unreachable, and the spool fills', async () => {
  const spool = await mkdtemp(join(tmpdir(), 'incident-'));
  opened.defer(() => rm(spool, { recursive: true, force: true }));
  const door = opened.use(await doors(spool));
  await Promise.all([door.openKafka(), door.openRegistry()]);
  const deployment = await deploymentWith(door.env);
  const bridge = await deployment.start('bridge');
  const base = await consoleFor(deployment, bridge.admin);
  await door.shut('kafka');
  for (let i = 0; i < 3; i += 1) await post(bridge.url, aBody());
  const problem = "webhooks on the bridge's disk wait for Kafka";
  await solve(base, problem, [problem], /spool: 3 webhooks, \d+ bytes, oldest/);
});

test('a secret that is rotated wrongly', async () => {
  const deployment = await deploymentWith();
  const bridge = await deployment.start('bridge');
  const base = await consoleFor(deployment, bridge.admin);
  await post(bridge.url, aBody());
  const wrong = signedHeaders(Buffer.from(aBody()), 'another-secret');
  await until(async () => {
    await post(bridge.url, aBody(), wrong);
    return (await metric(bridge.admin, 'voucherbus_webhooks_received_total')) > 3;
  }, 'some are refused');
  const steps = ['signed with another secret'];
  await solve(base, 'signed with another secret', steps, /a rotation that is half done/);
});

test('"where is voucher X?"', async () => {
  const deployment = await deploymentWith();
  const bridge = await deployment.start('bridge');
  const { admin } = await deployment.start('processor');
  const base = await consoleFor(deployment, bridge.admin, admin);
  const body = sampleWebhook({ publicationId: 'pub_of_voucher_x' });
  const { vouchers } = body['data'] as { vouchers: { code: string }[] };
  await post(bridge.url, Buffer.from(JSON.stringify(body)));
  await until(async () => (await deployment.outputs()).length === 1, 'it came out');
  const steps = ['Find', { type: vouchers[0]?.code ?? '' }];
  await solve(base, 'All is well', steps, /forwarded/);
});
