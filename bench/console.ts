/** How long the console's pages take with a million events on raw and in the journal. */

import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { startChild } from '../src/app/child-process.ts';
import { Writer } from '../src/kafka/writer.ts';
import { imageEnvironment } from './contestants.ts';
import { customerOf, distinctIn, fill, publicationIdOf } from './fill.ts';
import { memoryOf } from './process.ts';
import type { Measure, Race } from './race.ts';
import { committed, prepare, type Setting, say } from './setting.ts';

const partitions = 12;
const requests = 60;
const letters = 2_000;

/** A page with another id at each request. */
type Ask = (n: number) => string;

const pages = {
  now: () => '/',
  members: () => '/members',
  refused: () => '/refused',
  publication: (n) => `/events/${publicationIdOf(n)}`,
  code: (n) => `/find?id=CODE-${publicationIdOf(n).slice(4, 22)}0`,
  event: (n) => `/find?id=evpub_${publicationIdOf(n).slice(4, 22)}`,
  customer: (n) => `/find?id=${customerOf(n)}`,
  everywhere: () => '/find?id=cust_IdgAFZxYwwHctOk9pPuMu308',
  events: () => '/events',
  unknown: (n) => `/find?id=unknown-${n}`,
  letters: () => '/dead-letters',
  reason: () => '/dead-letters?reason=not-avro',
  letter: () => '/dead-letters/0/0',
  redrive: () => '/redrive?reason=not-avro',
  topics: () => '/topics',
  raw: () => '/topics/RAW',
  journal: () => '/topics/JOURNAL',
  routes: () => '/routes',
  gaps: () => '/gaps',
  proof: () => '/proof',
} as const satisfies Record<string, Ask>;
type Page = keyof typeof pages;

export async function benchConsole(events: number): Promise<Race> {
  const setting = await prepare(`console-${Date.now().toString(36)}`, partitions);
  say(`filling raw with ${events} webhooks and ${letters} that cannot be processed`);
  await fill(setting, events);
  await fillBroken(setting);
  const env = { ...setting.env, CONSUMER_GROUP: 'bench-console', ADMIN_PORT: '0' };
  const settings = { ...env, WEBHOOK_SECRETS: 'main:bench-secret', BRIDGE_PORT: '0' };
  await using bridge = startChild(['bridge'], settings);
  await using processor = startChild(['processor'], settings);
  const admins = await Promise.all([
    bridge.said('the bridge is ready'),
    processor.said('the processor is running'),
  ]);
  while ((await committed('bench-console', setting)) < events + letters) await sleep(500);
  say('all are processed');
  const members = admins.map(({ adminPort }) => `127.0.0.1:${adminPort}`).join();
  const own = { CONSOLE_PORT: '0', CONSOLE_MEMBERS: members };
  const startedAt = performance.now();
  await using child = startChild(['console'], { ...settings, ...own, ...imageEnvironment });
  const { port } = await child.said('the console is ready');
  const base = `http://127.0.0.1:${port}`;
  while ((await textOf(`${base}/find?id=not-there`)).includes('still being read')) {
    await sleep(250);
  }
  const buildSeconds = (performance.now() - startedAt) / 1_000;
  say(`the index took ${buildSeconds.toFixed(1)} s, the console has ${memoryOf(child)} MB`);
  const times: Partial<Record<Page, number>> = {};
  for (const [name, ask] of Object.entries(pages) as [Page, Ask][]) {
    times[name] = await p95Of(base, ask, distinctIn(events), setting);
    say(`${name}: ${times[name].toFixed(0)} ms; ${memoryOf(child).toFixed(0)} MB`);
  }
  await setting.admin.close();
  const measures = Object.keys(pages).map((name): [string, Measure] => [
    name,
    { label: `${name}, p95 in ms`, digits: 0, better: 'less' },
  ]);
  return {
    title: `Pages of the console with ${events} events and ${letters} dead letters, ${partitions} partitions: ${requests} requests of each, one after the other`,
    contestants: ['voucherbus'],
    measures: {
      ...Object.fromEntries(measures),
      build: { label: 'start to the whole index, s', digits: 1, better: 'less' },
      memory: { label: 'memory of the console, MB', digits: 0, better: 'less' },
    },
    runs: { voucherbus: [{ ...times, build: buildSeconds, memory: memoryOf(child) }] },
  };
}

async function fillBroken({ client, catalog }: Setting): Promise<void> {
  const writer = await Writer.open(client, catalog.raw);
  const value = Buffer.from('not Avro');
  await writer.write(
    Array.from({ length: letters }, (_, n) => ({ key: `broken_${n}`, value })),
    30_000,
  );
  await writer.close();
}

const textOf = async (url: string) => (await fetch(url)).text();

async function p95Of(base: string, ask: Ask, distinct: number, { catalog }: Setting) {
  const times: number[] = [];
  for (let i = 0; i < requests; i += 1) {
    const path = ask(randomInt(distinct))
      .replace('RAW', catalog.raw)
      .replace('JOURNAL', catalog.journal);
    const startedAt = performance.now();
    const response = await fetch(base + path);
    await response.text();
    times.push(performance.now() - startedAt);
    if (!response.ok) throw new Error(`${path}: ${response.status}`);
  }
  times.sort((a, b) => a - b);
  return times[Math.ceil(requests * 0.95) - 1] as number;
}
