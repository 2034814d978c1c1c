/** The console in a real browser, in front of a real deployment. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Child } from '../../src/app/child-process.ts';
import { sampleWebhook } from '../../src/voucherify/sample.ts';
import { openBrowser, type Theme, type Visit, violationsOn } from '../support/browser.ts';
import { aBody } from '../support/builders.ts';
import { startConsole } from '../support/console.ts';
import { aDeployment, type Deployment, until } from '../support/deployment.ts';
import { run } from '../support/run.ts';
import { post } from '../support/webhooks.ts';

const tokens = { viewer: 'a-viewer-of-16-characters', operator: 'an-operator-of-16-characters' };
type Role = keyof typeof tokens;

/** Markup, a script, control characters, marks that turn the direction, and great length. */
const hostile = `"><script>window.hit=1</script><img src=x onerror="window.hit=1">'&\u202e\u0007${'x'.repeat(5_000)}`;
const known = 'pub_console_known';
const attacked = 'pub_console_hostile';

let deployment: Deployment;
let browser: Awaited<ReturnType<typeof openBrowser>>;
let child: Child;
let base: string;
let processor: Awaited<ReturnType<Deployment['start']>>;
let bridge: Awaited<ReturnType<Deployment['start']>>;
beforeAll(async () => {
  deployment = await aDeployment(2, { RECONCILE: 'true', CAMPAIGN_REFERENCE: 'true' });
  await putReferences();
  [bridge, processor, browser] = await Promise.all([
    deployment.start('bridge'),
    deployment.start('processor'),
    openBrowser(),
  ]);
  ({ child, base } = await startConsole(deployment, [bridge.admin, processor.admin], {
    CONSOLE_VIEWER_TOKEN: tokens.viewer,
    CONSOLE_OPERATOR_TOKEN: tokens.operator,
  }));
  await post(bridge.url, aBody({ publicationId: known }));
  await post(bridge.url, hostileBody());
  await post(
    bridge.url,
    Buffer.from(JSON.stringify({ type: 'publication.succeeded', data: hostile })),
  );
  await until(async () => {
    const entries = (await deployment.journal()).flatMap(({ event }) => event.entries);
    return entries.length === 3;
  }, 'three are decided');
});
afterAll(async () => {
  child?.kill('SIGTERM');
  await child?.exited;
  await browser?.[Symbol.asyncDispose]();
  await deployment?.[Symbol.asyncDispose]();
});

async function putReferences(): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'console-'));
  const file = join(directory, 'campaigns.csv');
  const brand = hostile.slice(0, 200).replaceAll('"', '""');
  await writeFile(file, `campaignId,brand\ncamp_console,Acme\ncamp_hostile,"${brand}"\n`);
  const { code, output } = await run(['reference', 'put', file], deployment.env);
  await rm(directory, { recursive: true });
  expect(code, output).toBe(0);
}

function hostileBody(): Buffer {
  const sample = sampleWebhook({ publicationId: attacked });
  const data = sample['data'] as Record<string, Record<string, unknown>>;
  const metadata = { [hostile.slice(0, 200)]: hostile };
  const [voucher] = data['vouchers'] as unknown as [object];
  const publication = { ...data['publication'], channel: hostile, metadata, tracking_id: hostile };
  const vouchers = [{ ...voucher, code: hostile.slice(0, 200), metadata }];
  const campaign = { ...data['campaign'], name: hostile, metadata };
  return Buffer.from(
    JSON.stringify({ ...sample, data: { ...data, publication, vouchers, campaign } }),
  );
}

async function signedIn(role: Role, theme: Theme = 'light', width?: number): Promise<Visit> {
  const visit = await browser.visit(theme, width);
  await visit.page.goto(`${base}/sign-in`);
  await visit.page.fill('#token', tokens[role]);
  await visit.page.click('button');
  await visit.page.waitForURL(`${base}/`);
  return visit;
}

const textOf = ({ page }: Visit) => page.locator('main').textContent();

const pages = async (): Promise<readonly string[]> => {
  const [letter] = await deployment.readAll(deployment.catalog.deadLetters);
  const [raw] = await deployment.readAll(deployment.catalog.raw);
  return [
    '/',
    '/find',
    '/events',
    '/events?at=2001-01-01T00:00',
    '/events?at=yesterday',
    `/topics/${deployment.catalog.raw}/${raw?.partition}/${raw?.offset}`,
    `/topics/${deployment.catalog.raw}/0/999999`,
    '/find?id=jck-wbhk',
    '/find?id=unknown-id',
    `/find?id=${known}`,
    `/events/${known}`,
    `/events/${attacked}`,
    '/refused',
    '/dead-letters',
    '/dead-letters?reason=invalid-publication',
    `/dead-letters/${letter?.partition}/${letter?.offset}`,
    '/redrive',
    '/redrive?reason=invalid-publication',
    '/redrives',
    '/redrives/unknown',
    '/topics',
    ...deployment.catalog.topics.map(({ name }) => `/topics/${name}`),
    '/topics/unknown',
    '/routes',
    '/members',
    '/gaps',
    '/proof',
    '/no-such-page',
    `/find?id=${encodeURIComponent(hostile.slice(0, 400))}`,
    `/dead-letters?reason=${encodeURIComponent(hostile.slice(0, 400))}`,
  ];
};

test.each([
  ['viewer', 'light', 1280],
  ['viewer', 'dark', 390],
  ['operator', 'light', 390],
  ['operator', 'dark', 1280],
] as const)(
  'each page as %s, %s, %d pixels wide: axe finds nothing, and no value changes it',
  async (role, theme, width) => {
    await using visit = await signedIn(role, theme, width);
    const { page, complaints } = visit;
    for (const path of await pages()) {
      await page.goto(base + path);
      expect([path, await violationsOn(page)]).toEqual([path, []]);
      const isHit = await page.evaluate(() => 'hit' in globalThis);
      expect([path, isHit, await page.locator('main img, main script').count()]).toEqual([
        path,
        false,
        0,
      ]);
      const overflow = await page.evaluate(
        'document.documentElement.scrollWidth - document.documentElement.clientWidth',
      );
      expect([path, overflow]).toEqual([path, 0]);
      const content = await page.content();
      expect([path, content.includes('\u202e'), content.includes('\u0007')]).toEqual([
        path,
        false,
        false,
      ]);
    }
    expect(complaints).toEqual([]);
  },
);

test('the first page is live: what is wrong is said with its time, and no longer when it is over', async () => {
  await using visit = await signedIn('viewer');
  const { page } = visit;
  const status = page.locator('#status');
  await status.getByText('became dead letters').waitFor();
  await status.locator('time').first().waitFor();
  processor.child.kill('SIGSTOP');
  try {
    const problem = status.getByText('cannot be reached');
    await problem.waitFor();
    await problem.click();
    await page.waitForURL(`${base}/members`);
  } finally {
    processor.child.kill('SIGCONT');
  }
  await page.goto(`${base}/`);
  await status.getByText('cannot be reached').waitFor({ state: 'hidden' });
});

test('an event is found by each of its ids; an id of many shows them; the rest is found by time', async () => {
  await using visit = await signedIn('viewer');
  const { page } = visit;
  const data = sampleWebhook({ publicationId: known })['data'] as {
    vouchers: { code: string }[];
    customer: { id: string; source_id: string };
  };
  const unique = [known, data.vouchers[0]?.code ?? '', 'evpub_console_known'];
  for (const id of unique) {
    await page.goto(`${base}/find?id=${encodeURIComponent(id)}`);
    expect(page.url()).toBe(`${base}/events/${known}`);
  }
  for (const id of [data.customer.id, data.customer.source_id]) {
    await page.goto(`${base}/find?id=${encodeURIComponent(id)}`);
    await page.getByRole('link', { name: known }).waitFor();
    expect(await page.getByRole('link', { name: attacked }).count()).toBe(1);
  }
  await page.goto(`${base}/find?id=unknown-id`);
  expect(await textOf(visit)).toContain('Never received');
  await page.getByText('All events in the order of time').click();
  await page.getByRole('link', { name: known }).click();
  await page.waitForURL(`${base}/events/${known}`);
  await page.getByRole('link', { name: deployment.catalog.raw }).first().click();
  await page.getByRole('heading', { name: 'Headers' }).waitFor();
  const text = await textOf(visit);
  expect(text).toContain('"type": "publication.succeeded"');
  expect(text).toMatch(/Schema id\s*\d+, version 1/);
  expect(text).toContain('ce_id');
  expect(text).not.toContain('Jack Webhook');
});

test('what was refused is shown by minute and one by one, without bodies and secrets', async () => {
  const path = new URL(bridge.url).pathname;
  await post(bridge.url, aBody(), { 'x-voucherify-signature': '0'.repeat(64) });
  await fetch(`${new URL(bridge.url).origin}/${hostile.slice(0, 50)}?token=a-secret`, {
    headers: { 'user-agent': 'scanner/1.0' },
  });
  await using visit = await signedIn('viewer');
  const { page } = visit;
  // A bridge's response is kept for a second.
  await until(async () => {
    await page.goto(`${base}/refused`);
    return (await textOf(visit))?.includes('scanner/1.0');
  }, 'it is shown');
  const row = page.getByRole('row').filter({ hasText: `POST ${path}` });
  expect(await row.first().textContent()).toMatch(/401 wrong-signature127\.0\.0\.1POST/);
  const text = await textOf(visit);
  expect(text).toContain('404 unknown-path');
  expect(text).not.toContain('a-secret');
  expect(await violationsOn(page)).toEqual([]);
  expect(visit.complaints).toEqual([]);
});

test('by keyboard alone: from the first page to the story of a voucher', async () => {
  await using visit = await signedIn('viewer');
  const { page } = visit;
  await page.goto(`${base}/`);
  await page.keyboard.press('Tab');
  expect(await page.locator(':focus').textContent()).toBe('Skip to the content');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await page.waitForURL(`${base}/find`);
  await page.locator('#id').focus();
  await page.keyboard.type(known);
  await page.keyboard.press('Enter');
  await page.waitForURL(`${base}/events/${known}`);
  const text = await textOf(visit);
  expect(text).toContain('forwarded');
  expect(text).toContain('secret main');
  expect(text).toContain('visible');
  expect(text).toContain(`voucherbus trace ${known}`);
});

test('personal data is masked; an operator may see it, which is audited; a viewer may not', async () => {
  await using visit = await signedIn('operator');
  await visit.page.goto(`${base}/events/${known}`);
  await visit.page.getByText('Show personal data').click();
  await visit.page.getByText('Personal data is shown').waitFor();
  expect(child.output()).toMatch(
    /"action":"personal-data\.unmask","by":"operator","publications":\["pub_console_known"\]/,
  );
  await using other = await signedIn('viewer');
  await other.page.goto(`${base}/events/${known}`);
  expect(await textOf(other)).toContain('Personal data is masked');
});

test('a redrive: what it would do, confirmed by an operator, its result; a viewer may not', async () => {
  const before = await deployment.readAll(deployment.catalog.raw);
  await using visit = await signedIn('operator');
  const { page } = visit;
  await page.goto(`${base}/dead-letters`);
  const group = page.getByRole('row').filter({ hasText: 'builtin' });
  expect(await group.textContent()).toMatch(/builtin10.*\$.*: expected/);
  await page.locator('main td a').first().click();
  await page.getByText('Redrive them').click();
  await page.getByText('Nothing has been sent.').waitFor();
  expect(await deployment.readAll(deployment.catalog.raw)).toHaveLength(before.length);
  await page.getByText('Send 1 back to raw').click();
  await page.getByText('1 of 1 sent: done').waitFor();
  expect(await violationsOn(page)).toEqual([]);
  expect(await deployment.readAll(deployment.catalog.raw)).toHaveLength(before.length + 1);
  expect(child.output()).toMatch(
    /"action":"dead-letters\.redrive","by":"operator","selected":1,"sent":1,"outcome":"done"/,
  );
  await page.getByText('All jobs').click();
  expect(await textOf(visit)).toContain('1 of 1');
  await using other = await signedIn('viewer');
  await other.page.goto(`${base}/redrive`);
  expect(await textOf(other)).not.toContain('Send 1');
  const viewer = { authorization: `Bearer ${tokens.viewer}` };
  const form = await formOf(`/events/${known}`, { authorization: `Bearer ${tokens.operator}` });
  expect((await request('/redrives', viewer, { form })).status).toBe(403);
});

test('the tail of a topic is live; what comes while it is paused is not lost; a filter selects', async () => {
  await using visit = await signedIn('viewer');
  const { page } = visit;
  await page.goto(`${base}/topics/${deployment.catalog.raw}`);
  await page.getByText('live', { exact: true }).waitFor();
  await post(bridge.url, aBody({ publicationId: 'pub_tail_1' }));
  await page.getByRole('link', { name: 'pub_tail_1' }).waitFor();
  await page.getByRole('button', { name: 'Pause' }).click();
  await post(bridge.url, aBody({ publicationId: 'pub_tail_2' }));
  await page.getByText('paused').waitFor();
  await page.getByRole('button', { name: 'Continue' }).click();
  await page.getByRole('link', { name: 'pub_tail_2' }).waitFor();
  expect(await page.getByRole('link', { name: 'pub_tail_2' }).count()).toBe(1);
  expect(await violationsOn(page)).toEqual([]);
  await page.goto(`${base}/topics/${deployment.catalog.raw}?filter=pub_tail_1`);
  await page.getByRole('link', { name: 'pub_tail_1' }).waitFor();
  expect(await page.getByRole('link', { name: 'pub_tail_2' }).count()).toBe(0);
  expect(visit.complaints).toEqual([]);
});

test('other routes are tried on the last events, and nothing comes into force', async () => {
  await using visit = await signedIn('viewer');
  const { page } = visit;
  await page.goto(`${base}/routes`);
  expect(await textOf(visit)).toContain('In force: builtin');
  expect(await textOf(visit)).toContain('brand=Acme');
  await page.fill(
    '#text',
    'match: first\nroutes:\n  - { name: all, when: {}, to: other }\ndefault: other\n',
  );
  await page.getByText('See what would change').click();
  await page.getByText('What changes').waitFor();
  expect(await textOf(visit)).toContain(`${deployment.prefix}.publications.other`);
  expect(await violationsOn(page)).toEqual([]);
  await page.fill('#text', `match: sometimes\nroutes: "${hostile}"\n`);
  await page.getByText('See what would change').click();
  await page.getByText('These routes are not valid').waitFor();
  expect(await violationsOn(page)).toEqual([]);
  expect(await page.evaluate(() => 'hit' in globalThis)).toBe(false);
});

/** Returns the token in the forms of a page. */
async function formOf(path: string, headers: Record<string, string>): Promise<string> {
  const text = await (await request(path, headers)).text();
  return /name="form" value="([^"]*)"/.exec(text)?.[1] ?? '';
}

const request = (path: string, headers: Record<string, string>, form?: Record<string, string>) =>
  fetch(base + path, {
    headers,
    redirect: 'manual',
    ...(form && { method: 'POST', body: new URLSearchParams(form) }),
  });

test('an operator has it proven that events come out exactly once; a viewer sees the verdict', {
  timeout: 600_000,
}, async () => {
  await using visit = await signedIn('operator');
  const { page } = visit;
  await page.goto(`${base}/proof`);
  expect(await textOf(visit)).toContain('No verdict yet');
  await page.getByRole('button', { name: 'Run' }).click();
  await page.locator('#run').getByText('running').waitFor();
  await page.getByRole('link', { name: 'Its verdict' }).click({ timeout: 600_000 });
  await page.locator('.verdict').getByText('Exactly once').waitFor();
  expect(await violationsOn(page)).toEqual([]);
  expect(child.output()).toMatch(/"action":"verify\.run","by":"operator","outcome":"exactly once"/);
  await using other = await signedIn('viewer');
  await other.page.goto(`${base}/proof`);
  const text = await textOf(other);
  expect(text).toContain('Exactly once');
  expect(text).toContain('An operator can start a run');
});

test('nothing is shown without signing in, and no other site can send a form', async () => {
  for (const path of await pages()) {
    const response = await request(path, {});
    expect([path, response.status, response.headers.get('location')]).toEqual([
      path,
      302,
      '/sign-in',
    ]);
  }
  expect((await request('/sign-in', {}, { token: 'wrong' })).status).toBe(403);
  const forged = { 'x-forwarded-user': 'eve', 'x-forwarded-groups': 'admins' };
  expect((await request('/', forged)).status).toBe(302);
  const bearer = { authorization: `Bearer ${tokens.operator}` };
  const page = await request(`/events/${known}`, bearer);
  expect(page.status).toBe(200);
  expect(page.headers.get('cache-control')).toBe('no-store');
  expect(page.headers.get('content-security-policy')).toContain("default-src 'none'");
  expect((await request(`/events/${known}/unmask`, bearer, {})).status).toBe(403);
  expect((await request(`/events/${known}/unmask`, bearer, { form: 'guessed' })).status).toBe(403);
  const viewer = { authorization: `Bearer ${tokens.viewer}` };
  const [, form = ''] =
    /name="form" value="([^"]*)"/.exec(await (await request(`/events/${known}`, bearer)).text()) ??
    [];
  expect(form).not.toBe('');
  expect((await request(`/events/${known}/unmask`, viewer, { form })).status).toBe(403);
  expect((await request(`/events/${known}/unmask`, bearer, { form })).status).toBe(200);
  expect((await request('/livez', {})).status).toBe(200);
});

test('a console that others can reach does not start unless people must sign in', async () => {
  const settings = { CONSOLE_HOST: '0.0.0.0', CONSOLE_PORT: '0' };
  const { code, messages } = await run(['console'], { ...deployment.env, ...settings });
  expect([code, messages]).toEqual([2, expect.stringContaining('expected CONSOLE_VIEWER_TOKEN')]);
});

test('what the browser loads is small', async () => {
  const sizes = await Promise.all(
    ['/', '/assets/console.css', '/assets/console.js', '/assets/icon.svg'].map(async (path) => {
      const headers = { authorization: `Bearer ${tokens.viewer}`, 'accept-encoding': 'gzip' };
      const response = await fetch(base + path, { headers });
      expect(response.headers.get('content-encoding')).toBe('gzip');
      return gzipSync(await response.bytes()).length;
    }),
  );
  const total = sizes.reduce((sum, size) => sum + size, 0);
  process.stderr.write(`· ${total} bytes, gzipped\n`);
  expect(total).toBeLessThan(60_000);
});
