/** Bridges watch the project's webhook at the vendor: one of them asks, and another takes over. */

import { afterEach, beforeEach, expect, test } from 'vitest';
import { aDeployment, type Deployment, metric, until } from '../support/deployment.ts';
import { run } from '../support/run.ts';
import {
  ourWebhook,
  type Simulator,
  startSimulator,
  watchSettings,
  webhookTarget,
} from '../support/vendor-simulator.ts';

let vendor: Simulator;
let deployment: Deployment;
beforeEach(async () => {
  vendor = await startSimulator();
  deployment = await aDeployment(1, watchSettings(vendor));
});
afterEach(async () => {
  await deployment[Symbol.asyncDispose]();
  await vendor[Symbol.asyncDispose]();
});

const asked = () => vendor.calls.get('GET webhooks') ?? 0;

async function readiness(admin: string) {
  const response = await fetch(`${admin}/readyz`);
  const { parts } = (await response.json()) as { parts: Record<string, string> };
  const webhook = Object.entries(parts).filter(([name]) => name.endsWith('webhook'));
  return { status: response.status, webhook: webhook.map(([, text]) => text).join() };
}

const says = (admin: string, text: string) =>
  until(
    async () => (await readiness(admin)).webhook.includes(text),
    () => `${admin} says "${text}"`,
  );

test('one of two bridges asks, and the other one takes over', async () => {
  vendor.webhooks.push(ourWebhook());
  const first = await deployment.start('bridge');
  await says(first.admin, `active, and sends publications to ${webhookTarget}`);
  const second = await deployment.start('bridge');
  await says(second.admin, 'another bridge asks Voucherify');
  await says(first.admin, 'active, and sends');
  expect(await metric(second.admin, 'voucherbus_webhook_configured')).toBe(0);
  expect(await metric(first.admin, 'voucherbus_webhook_configured')).toBe(3);
  const before = asked();
  first.child.kill('SIGTERM');
  await first.child.exited;
  await says(second.admin, 'active, and sends');
  expect(await metric(second.admin, 'voucherbus_webhook_configured')).toBe(3);
  expect(asked()).toBe(before + 1);
});

test('a webhook that the vendor disables is reported within a minute, and the bridge stays ready', async () => {
  vendor.webhooks.push(ourWebhook());
  const { admin, child } = await deployment.start('bridge', { BRIDGE_WORKERS: '2' });
  await says(admin, 'active, and sends');
  Object.assign(vendor.webhooks[0] ?? {}, { active: false });
  const disabledAtMs = Date.now();
  await until(
    async () => (await readiness(admin)).webhook.includes('wh_1 is not active'),
    'the bridge reports it',
  );
  process.stderr.write(`· reported after ${((Date.now() - disabledAtMs) / 1_000).toFixed(1)} s\n`);
  expect((await readiness(admin)).status).toBe(200);
  expect(await metric(admin, 'voucherbus_webhook_configured{check="active"}')).toBe(0);
  expect(await metric(admin, 'voucherbus_webhook_configured{check="target"}')).toBe(1);
  const lines = child.output().split('\n');
  expect(lines.filter((line) => line.includes('is not active'))).toHaveLength(1);
}, 180_000);

test('keys that the vendor refuses are reported, and do not make the bridge unready', async () => {
  const { admin } = await deployment.start('bridge', { VOUCHERIFY_MANAGEMENT_TOKEN: 'wrong' });
  await says(admin, '401: expected keys of the management API');
  expect((await readiness(admin)).status).toBe(200);
  expect(await metric(admin, 'voucherbus_webhook_watch_failing')).toBe(1);
});

test('keys without a project, an address or a topic are refused at the start', async () => {
  const { code, messages } = await run(['bridge'], { ...deployment.env, RECONCILE: 'false' });
  expect(code).toBe(2);
  expect(messages).toContain(
    'expected VOUCHERIFY_PROJECT_ID, WEBHOOK_TARGET_URL and RECONCILE=true',
  );
});
