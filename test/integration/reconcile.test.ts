/**
 * Reconciliation against a simulator of the vendor's API: what no webhook brought is found, and
 * enters through the same gate.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { startChild } from '../../src/app/child-process.ts';
import type { Report } from '../../src/reconcile/report.ts';
import { startConsole } from '../support/console.ts';
import { aDeployment, type Deployment, metric, until } from '../support/deployment.ts';
import { run } from '../support/run.ts';
import {
  type Forms,
  type Published,
  reconcileSettings,
  type Simulator,
  startSimulator,
  usualForms,
} from '../support/vendor-simulator.ts';
import { post } from '../support/webhooks.ts';

let vendor: Simulator;
let deployment: Deployment;
let url: string;
const hour = 3_600_000;
const start = Date.now() - 10 * hour;

beforeEach(async () => {
  vendor = await startSimulator();
  deployment = await aDeployment(2, {
    ...reconcileSettings(vendor),
    VOUCHERIFY_PROJECT_ID: 'proj_1',
  });
  ({ url } = await deployment.start('bridge'));
  await deployment.start('processor', {
    VOUCHERIFY_APP_ID: undefined,
    VOUCHERIFY_APP_TOKEN: undefined,
  });
});
afterEach(async () => {
  await deployment[Symbol.asyncDispose]();
  await vendor[Symbol.asyncDispose]();
});

async function reconciled(...args: string[]): Promise<{ code: number | null; report: Report }> {
  const { code, messages, output } = await run(['reconcile', '--json', ...args], deployment.env);
  const json = messages.slice(messages.indexOf('{'));
  expect(json, output).toMatch(/^\{/);
  return { code, report: JSON.parse(json) as Report };
}

const deliver = async (...all: readonly Published[]) => {
  for (const { webhook } of all) expect((await post(url, webhook)).status).toBe(202);
};
const decided = (count: number) =>
  until(async () => {
    const entries = (await deployment.journal()).flatMap(({ event }) => event.entries);
    return entries.length >= count;
  }, `${count} are decided`);
const idsOf = (all: readonly { id: string }[]) => all.map(({ id }) => id).sort();
const missingIds = ({ missing }: Report) =>
  missing.map(({ publicationId }) => publicationId).sort();

/** Publications of every kind; the milliseconds differ, and so do the seconds and minutes. */
function publishAll(): readonly Published[] {
  const at = (n: number) => ({ createdAtMs: start + n * 61_003 });
  const second = Math.floor(start / 60_000) * 60_000 + 7 * 60_000;
  return [
    vendor.publish(at(0)),
    vendor.publish({ ...at(1), codes: ['A-1', 'A-2', 'A-3'] }),
    vendor.publish({ ...at(2), campaign: null }),
    // One standalone code for many customers, two of them in the same millisecond.
    vendor.publish({ ...at(3), codes: ['STANDALONE'] }),
    vendor.publish({ ...at(3), codes: ['STANDALONE'] }),
    vendor.publish({ ...at(4), codes: ['STANDALONE'] }),
    vendor.publish({ ...at(5), codes: ['DELETED-VOUCHER'] }),
    // One customer gets one code twice in a second.
    vendor.publish({ createdAtMs: second + 100, codes: ['TWICE'], customerId: 'cust_twice' }),
    vendor.publish({ createdAtMs: second + 400, codes: ['TWICE'], customerId: 'cust_twice' }),
    vendor.publish({ ...at(8), codes: ['B-1', 'B-2'], campaign: 'Deleted' }),
  ];
}

const publish = (count: number) =>
  Array.from({ length: count }, (_, n) => vendor.publish({ createdAtMs: start + n }));

test('what no webhook brought is found, and backfilled once; a late webhook is its duplicate', async () => {
  const all = [...publishAll(), ...publishAll()];
  vendor.publish({ createdAtMs: start, result: 'FAILURE' });
  const [withheld, delivered] = [all.slice(0, 10), all.slice(10)];
  vendor.behaviour.deleted.add('DELETED-VOUCHER').add('camp_Deleted');
  await deliver(...delivered);
  await decided(delivered.length);

  const dry = await reconciled('--since', '1d');
  expect(dry.code).toBe(1);
  expect(missingIds(dry.report)).toEqual(idsOf(withheld));
  expect(dry.report).toMatchObject({ undecided: [], backfilled: 0, parked: {}, inFlight: 0 });
  expect(await deployment.readAll(deployment.catalog.raw)).toHaveLength(delivered.length);

  const { code, report } = await reconciled('--since', '1d', '--execute', '--by', 'ann');
  expect(code).toBe(0);
  expect(missingIds(report)).toEqual(idsOf(withheld));
  expect(report.backfilled).toBe(withheld.length);
  await decided(all.length);
  await deliver(...withheld);
  await decided(all.length + withheld.length);
  const outputs = await deployment.outputs();
  expect(outputs.map(({ event }) => event.publicationId).sort()).toEqual(idsOf(all));
  const backfilled = outputs.filter(({ event }) => event.origin === 'BACKFILL');
  expect(backfilled.map(({ event }) => event.publicationId).sort()).toEqual(idsOf(withheld));
  for (const { event } of backfilled) {
    expect(event).toMatchObject({ complete: false, eventId: null, webhookId: null });
    expect(event).toMatchObject({ publisher: { kind: 'UNKNOWN' }, projectId: 'proj_1' });
    expect(event.asOf).toBeGreaterThan(start);
    const isDeleted = event.campaign?.name === 'Deleted';
    expect(event.missing.includes('campaign')).toBe(isDeleted);
    expect(event.campaign?.type ?? 'none').toBe(
      event.campaign === null ? 'none' : isDeleted ? 'UNKNOWN' : 'DISCOUNT_COUPONS',
    );
    const sent = all.find(({ id }) => id === event.publicationId);
    expect(event.vouchers.map((one) => one.code)).toEqual(sent?.codes);
    expect([event.customer?.id, event.occurredAt]).toEqual([sent?.customerId, sent?.createdAtMs]);
  }
  const again = await reconciled('--since', '1d');
  expect(again).toMatchObject({ code: 0, report: { missing: [], undecided: [] } });
  expect(again.report.present).toBe(again.report.rows);
  const trace = await run(['trace', withheld[0]?.id ?? ''], deployment.env);
  expect(trace.messages).toContain(`backfilled by reconcile run ${report.runId}`);
  expect(trace.messages).toMatch(/duplicate/);
  // The list has more of a customer than events may have.
  expect(await run(['trace', withheld[0]?.id ?? '', '--json'], deployment.env)).not.toMatchObject({
    output: expect.stringContaining('person@example.com'),
  });
});

test.each<Partial<Forms>>([
  {},
  { rows: 'first-voucher', time: 'space-ms' },
  { rows: 'all-in-one', header: 'titles' },
  { rows: 'no-voucher' },
  { time: 'seconds' },
  { time: 'minutes', rows: 'all-in-one' },
])('every plausible form of the export is understood: %o', async (forms) => {
  vendor.behaviour.forms = { ...usualForms, ...forms };
  const all = publishAll();
  const withheld = all.filter((_, i) => [1, 3, 7].includes(i));
  const delivered = all.filter((one) => !withheld.includes(one));
  await deliver(...delivered);
  await decided(delivered.length);
  const { code, report } = await reconciled('--since', '1d');
  expect(missingIds(report)).toEqual(idsOf(withheld));
  expect([code, report.undecided]).toEqual([1, []]);
  const listed = vendor.calls.get('GET publications') ?? 0;
  expect(listed).toBeLessThanOrEqual(1.2 * withheld.length + 2);
});

test('limits, faults, a download that breaks off, and another clock do not change the result', async () => {
  const all = publishAll();
  Object.assign(vendor.behaviour, {
    limit: { calls: 6, windowMs: 1_500 },
    clockMs: hour,
    fault: { every: 7, what: 'status-500' },
    downloadBreaksAt: 200,
    polls: 4,
  });
  const { code, report } = await reconciled('--since', '1d', '--execute');
  expect([code, missingIds(report)]).toEqual([0, idsOf(all)]);
  vendor.behaviour.fault = { every: 5, what: 'broken-json' };
  expect((await reconciled('--since', '1d')).report).toMatchObject({ missing: [], undecided: [] });
  vendor.behaviour.fault = { every: 5, what: 'hang-up' };
  expect((await reconciled('--since', '1d')).report).toMatchObject({ missing: [], undecided: [] });
});

test('a run that is killed again and again pays for each response once, and backfills each once', async () => {
  const all = Array.from({ length: 60 }, (_, n) => vendor.publish({ createdAtMs: start + n }));
  vendor.behaviour.limit = { calls: 10, windowMs: 500 };
  const args = ['reconcile', '--since', '1d', '--execute', '--json'];
  for (let kills = 0; kills < 3; kills += 1) {
    const before = (await deployment.readAll(deployment.catalog.raw)).length;
    const child = startChild(args, deployment.env);
    await until(
      async () => (await deployment.readAll(deployment.catalog.raw)).length >= before + 10,
      'ten more are backfilled',
    );
    child.kill('SIGKILL');
    await child.exited;
  }
  const { code, report } = await reconciled('--since', '1d', '--execute');
  expect([code, report.isResumed, report.undecided]).toEqual([0, true, []]);
  expect(report.backfilled + report.backfilledEarlier).toBe(all.length);
  await decided(all.length);
  const outputs = await deployment.outputs();
  expect(outputs.map(({ event }) => event.publicationId).sort()).toEqual(idsOf(all));
  expect(vendor.calls.get('POST exports')).toBe(1);
  expect(vendor.calls.get('GET publications')).toBeLessThanOrEqual(all.length + 3);
});

test('a dry run that is killed pays for each response once, too', async () => {
  const all = Array.from({ length: 40 }, (_, n) => vendor.publish({ createdAtMs: start + n }));
  vendor.behaviour.limit = { calls: 10, windowMs: 500 };
  const listed = () => vendor.calls.get('GET publications') ?? 0;
  const child = startChild(['reconcile', '--since', '1d', '--json'], deployment.env);
  await until(async () => listed() >= 20, 'half of them are looked up');
  child.kill('SIGKILL');
  await child.exited;
  const { code, report } = await reconciled('--since', '1d');
  expect([code, report.isResumed, missingIds(report)]).toEqual([1, true, idsOf(all)]);
  expect(listed()).toBeLessThanOrEqual(all.length + 3);
});

test('a report of any length is printed to its end', async () => {
  const all = Array.from({ length: 3_000 }, (_, n) => vendor.publish({ createdAtMs: start + n }));
  const { report } = await reconciled('--since', '1d');
  expect(missingIds(report)).toEqual(idsOf(all));
});

test('one instance reconciles at a time', async () => {
  const all = Array.from({ length: 20 }, (_, n) => vendor.publish({ createdAtMs: start + n }));
  vendor.behaviour.limit = { calls: 10, windowMs: 500 };
  const both = await Promise.all([
    reconciled('--since', '1d', '--execute', '--by', 'ann'),
    reconciled('--since', '25h', '--execute', '--by', 'bob'),
  ]);
  expect(both.map(({ report }) => report.backfilled).sort((a, b) => a - b)).toEqual([0, 20]);
  expect(await deployment.readAll(deployment.catalog.raw)).toHaveLength(all.length);
});

test('young publications may be in flight; the next run begins where the last one left no gap', async () => {
  const [old] = [vendor.publish({ createdAtMs: start }), vendor.publish({})];
  expect((await run(['reconcile'], deployment.env)).messages).toContain('give --since');
  const first = await reconciled('--since', '1d', '--execute');
  expect([first.code, first.report.inFlight, missingIds(first.report)]).toEqual([0, 1, [old?.id]]);
  await sleep(1_000);
  const next = await reconciled('--overlap', '0s');
  expect(next.report).toMatchObject({ rows: 0, since: first.report.until });
  const all = await reconciled('--since', '1d', '--overlap', '0s');
  expect([all.code, all.report.missing.length]).toEqual([1, 1]);
  // That run left a gap.
  const after = await reconciled('--overlap', '0s');
  expect(after.report.since).toBe(next.report.until);
});

test('what is older than the window is backfilled only with --allow-stale', async () => {
  const old = vendor.publish({ createdAtMs: Date.now() - 16 * 24 * hour });
  const { code, report } = await reconciled('--since', '20d', '--execute');
  expect([code, report.missing.map(({ isTooOld }) => isTooOld)]).toEqual([1, [true]]);
  await reconciled('--since', '20d', '--execute', '--allow-stale');
  await decided(1);
  expect((await deployment.outputs()).map(({ event }) => event.publicationId)).toEqual([old.id]);
});

test('an export that the vendor cannot make is given up after three', async () => {
  vendor.behaviour.exportStatus = 'ERROR';
  const { code, messages } = await run(['reconcile', '--since', '1d'], deployment.env);
  expect([code, vendor.calls.get('POST exports')]).toEqual([1, 3]);
  expect(messages).toContain('Voucherify could not make the export of publications, 3 times');
});

test('wrong keys are named, and nothing is written', async () => {
  const env = { ...deployment.env, VOUCHERIFY_APP_TOKEN: 'wrong' };
  const { code, messages } = await run(['reconcile', '--since', '1d'], env);
  expect(code).toBe(1);
  expect(messages).toContain('the vendor responded 401: expected an API key');
});

test('as a service it backfills again and again, shows it, and another instance takes over', async () => {
  const args = ['reconcile', '--since', '1d', '--execute', '--every', '2s'];
  const first = startChild(args, deployment.env);
  const admin = adminOf(await first.said('reconcile is ready'));
  const second = startChild(args, deployment.env);
  try {
    const other = adminOf(await second.said('reconcile is ready'));
    const [one] = publish(3);
    if (one) await deliver(one);
    await until(
      async () => (await metric(admin, 'voucherbus_reconcile_backfilled_total')) === 2,
      'the gap is closed',
    );
    await until(
      async () => (await metric(admin, 'voucherbus_reconcile_last_success')) > 0,
      'the run has ended',
    );
    expect(await metric(admin, 'voucherbus_reconcile_missing')).toBe(0);
    expect(await metric(admin, 'voucherbus_reconcile_api_calls_total')).toBeGreaterThan(4);
    expect(await metric(admin, 'voucherbus_ready{service="reconcile"}')).toBe(1);
    expect(await metric(other, 'voucherbus_reconcile_api_calls_total')).toBe(0);
    const waiting = await fetch(`${other}/readyz`);
    expect(waiting.status).toBe(200);
    expect(await waiting.text()).toContain('another instance, this one waits');
    first.kill('SIGTERM');
    expect(await first.exited).toBe(0);
    publish(1);
    await until(
      async () => (await metric(other, 'voucherbus_reconcile_backfilled_total')) === 1,
      'the second instance goes on',
    );
    await decided(4);
    expect(await deployment.outputs()).toHaveLength(4);
    const console = await startConsole(deployment, [other]);
    await using _ = console.child;
    const page = await (await fetch(`${console.base}/gaps`)).text();
    // Rows, missing, backfilled, calls and calls left of the first run.
    expect(page).toMatch(/<td>\d+<\/td><td>0<\/td><td>2<\/td><td>\d+<\/td><td>(\d+|unknown)<\/td>/);
    expect(page).toContain('Runs that ended');
  } finally {
    first.kill('SIGKILL');
    second.kill('SIGKILL');
  }
}, 180_000);

test('as a service it says that it fails, and what it cannot repair ends it', async () => {
  vendor.behaviour.exportStatus = 'ERROR';
  const args = ['reconcile', '--since', '1d', '--every', '1h'];
  const failing = startChild(args, deployment.env);
  const admin = adminOf(await failing.said('reconcile is ready'));
  await until(async () => (await metric(admin, 'voucherbus_reconcile_failing')) === 1, 'it fails');
  const ready = await fetch(`${admin}/readyz`);
  expect([ready.status, await ready.text()]).toEqual([
    200,
    expect.stringContaining('could not make the export'),
  ]);
  failing.kill('SIGTERM');
  expect(await failing.exited).toBe(0);
  const wrong = startChild(args, { ...deployment.env, VOUCHERIFY_APP_TOKEN: 'wrong' });
  expect(await wrong.exited).toBe(1);
  expect(wrong.output()).toContain('expected an API key');
}, 180_000);

const adminOf = (line: Readonly<Record<string, unknown>>) =>
  `http://127.0.0.1:${line['adminPort']}`;
