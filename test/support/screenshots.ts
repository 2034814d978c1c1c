/**
 * `make screenshots`: starts a deployment with some traffic, dead letters and a gap, and takes a
 * picture of each page of the console in both themes, for docs/images.
 */

import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startChild } from '../../src/app/child-process.ts';
import { openBrowser } from './browser.ts';
import { aBody } from './builders.ts';
import { startConsole } from './console.ts';
import { aDeployment, until } from './deployment.ts';
import { post } from './webhooks.ts';

/** Pages that show what is wrong, too: they come after the first one, on which all is well. */
const pages: Readonly<Record<string, string>> = {
  wrong: '/',
  refused: '/refused',
  topics: `/topics`,
  routes: '/routes',
  redrive: '/redrive?reason=invalid-publication',
  find: '/find?id=CODE-unknown',
  events: '/events',
  story: '/events/pub_picture',
  'dead-letters': '/dead-letters',
  letters: '/dead-letters?reason=invalid-publication',
  members: '/members',
  gaps: '/gaps',
  proof: '/proof',
};

await using deployment = await aDeployment(4, { RECONCILE: 'true' });
const bridge = await deployment.start('bridge');
const processor = await deployment.start('processor');
await using reports = await mkdtempDisposable(join(tmpdir(), 'reports-'));
const report = join(reports.path, 'nightly');
await startChild(['verify', '--count', '2000', '--report', report], process.env).exited;
const { child, base } = await startConsole(deployment, [bridge.admin, processor.admin], {
  CONSOLE_REPORTS: reports.path,
});
await using _ = child;
await post(bridge.url, aBody({ publicationId: 'pub_picture' }));
await post(bridge.url, aBody({ publicationId: 'pub_picture' }));
let isSending = true;
const sending = (async () => {
  for (; isSending; await sleep(20)) await post(bridge.url, aBody());
})();
await sleep(20_000);
await using browser = await openBrowser();
const themes = ['light', 'dark'] as const;
const take = async (theme: (typeof themes)[number], shots: Readonly<Record<string, string>>) => {
  await using visit = await browser.visit(theme);
  for (const [name, path] of Object.entries(shots)) {
    await visit.page.goto(base + path);
    await sleep(500);
    await visit.page.screenshot({ path: `docs/images/console-${name}-${theme}.png` });
  }
};
for (const theme of themes) await take(theme, { now: '/' });
await using phone = await browser.visit('dark', 390);
await phone.page.goto(base);
await phone.page.screenshot({ path: 'docs/images/console-phone-dark.png' });

const broken = { type: 'publication.succeeded', data: { publication: { id: 'pub_broken' } } };
for (let i = 0; i < 3; i += 1) await post(bridge.url, Buffer.from(JSON.stringify(broken)));
await post(bridge.url, aBody(), { 'x-voucherify-signature': '0'.repeat(64) });
await until(
  async () => (await deployment.readAll(deployment.catalog.deadLetters)).length === 3,
  'the broken ones are dead letters',
);
await sleep(3_000);
const [letter] = await deployment.readAll(deployment.catalog.deadLetters);
const { raw } = deployment.catalog;
const dynamic = {
  found: '/find?id=jck-wbhk',
  letter: `/dead-letters/${letter?.partition}/${letter?.offset}`,
  tail: `/topics/${raw}`,
  record: `/topics/${raw}/${letter?.partition}/0`,
};
for (const theme of themes) await take(theme, { ...pages, ...dynamic });
isSending = false;
await sending;
process.exit(0);
