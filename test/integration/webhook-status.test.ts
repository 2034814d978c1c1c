/** `voucherbus webhook` against a simulator of the management API. */

import { afterEach, beforeEach, expect, test } from 'vitest';
import { run } from '../support/run.ts';
import { managementKeys, type Simulator, startSimulator } from '../support/vendor-simulator.ts';

const target = 'https://bridge.example.com/webhooks/voucherify';
const events = ['publication.succeeded', 'voucher.created'];

let vendor: Simulator;
beforeEach(async () => {
  vendor = await startSimulator();
});
afterEach(() => vendor[Symbol.asyncDispose]());

const environment = () => ({
  PATH: process.env['PATH'],
  VOUCHERIFY_API_URL: vendor.url,
  VOUCHERIFY_MANAGEMENT_ID: managementKeys.id,
  VOUCHERIFY_MANAGEMENT_TOKEN: managementKeys.token,
  VOUCHERIFY_PROJECT_ID: 'proj_1',
  WEBHOOK_TARGET_URL: target,
});

test('a disabled webhook is reported, and made active on demand; others stay as they are', async () => {
  vendor.webhooks.push(
    { id: 'wh_1', target_url: target, events, active: false },
    { id: 'wh_2', target_url: 'https://other.example.com/', events, active: false },
  );
  const before = await run(['webhook', 'status'], environment());
  expect(before.code).toBe(1);
  expect(before.messages).toContain(
    'webhook wh_1 is not active: `voucherbus webhook enable` makes it active',
  );
  const unconfirmed = await run(['webhook', 'enable'], environment());
  expect([unconfirmed.code, vendor.webhooks[0]?.active]).toEqual([1, false]);
  const enabled = await run(['webhook', 'enable', '--yes', '--by', 'ann'], environment());
  expect(enabled.code).toBe(0);
  expect(enabled.output).toMatch(
    /"action":"webhook\.enable","by":"ann","webhook":"wh_1",.+"outcome":"done"/,
  );
  expect(vendor.webhooks.map(({ active, events: its }) => [active, its])).toEqual([
    [true, events],
    [false, events],
  ]);
  const after = await run(['webhook', 'status', '--json'], environment());
  expect(after.code).toBe(0);
  expect(JSON.parse(after.messages)).toMatchObject({ problems: [] });
});

test('wrong keys, another project, and missing settings are named', async () => {
  const wrong = { ...environment(), VOUCHERIFY_MANAGEMENT_TOKEN: 'wrong' };
  expect((await run(['webhook', 'status'], wrong)).messages).toContain(
    '401: expected keys of the management API',
  );
  const other = { ...environment(), VOUCHERIFY_PROJECT_ID: 'proj_2' };
  expect((await run(['webhook', 'status'], other)).messages).toContain(
    'expected the id of a project in VOUCHERIFY_PROJECT_ID',
  );
  const half = { ...environment(), VOUCHERIFY_MANAGEMENT_TOKEN: undefined };
  const { code, messages } = await run(['webhook', 'status'], half);
  expect(code).toBe(2);
  expect(messages).toContain('expected both, or neither');
});
