/**
 * `make screenshots`: starts a deployment with some traffic, dead letters and a gap, and takes a
 * picture of each page of the console in both themes, for docs/images.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { startChild } from '../../src/app/child-process.ts';
import { openBrowser } from './browser.ts';
import { aBody } from './builders.ts';
import { aDeployment, until } from './deployment.ts';
import { post } from './webhooks.ts';

const pages: Readonly<Record<string, string>> = {
  now: '/',
  find: '/find?id=CODE-that-nobody-knows',
  story: '/events/pub_picture',
  'dead-letters': '/dead-letters',
  letters: '/dead-letters?reason=invalid-publication',
  members: '/members',
  gaps: '/gaps',
};

await using deployment = await aDeployment(4, { RECONCILE: 'true' });
const bridge = await deployment.start('bridge');
const processor = await deployment.start('processor');
const members = [bridge, processor].map(({ admin }) => new URL(admin).host).join();
await using child = startChild(['console'], {
  ...deployment.env,
  CONSOLE_PORT: '0',
  CONSOLE_MEMBERS: members,
});
const base = `http://127.0.0.1:${(await child.said('the console is ready'))['port']}`;
await post(bridge.url, aBody({ publicationId: 'pub_picture' }));
await post(bridge.url, aBody({ publicationId: 'pub_picture' }));
const broken = { type: 'publication.succeeded', data: { publication: { id: 'pub_broken' } } };
for (let i = 0; i < 3; i += 1) await post(bridge.url, Buffer.from(JSON.stringify(broken)));
await until(async () => {
  const entries = (await deployment.journal()).flatMap(({ event }) => event.entries);
  return entries.length === 5;
}, 'all are decided');

let isSending = true;
const sending = (async () => {
  for (; isSending; await sleep(20)) await post(bridge.url, aBody());
})();
// Until the dead letters are no longer of this minute.
await sleep(25_000);
await using browser = await openBrowser();
for (const theme of ['light', 'dark'] as const) {
  await using visit = await browser.visit(theme);
  for (const [name, path] of Object.entries(pages)) {
    await visit.page.goto(base + path);
    await sleep(500);
    await visit.page.screenshot({ path: `docs/images/console-${name}-${theme}.png` });
  }
}
await using phone = await browser.visit('dark', 390);
await phone.page.goto(base);
await phone.page.screenshot({ path: 'docs/images/console-phone-dark.png' });
isSending = false;
await sending;
process.exit(0);
