/** The operator's commands: trace, dead letters, redrive. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startChild } from '../../src/app/child-process.ts';
import type { Trace } from '../../src/inspect/trace.ts';
import { aBody } from '../support/builders.ts';
import { aDeployment, type Deployment, until } from '../support/deployment.ts';
import { run } from '../support/run.ts';
import { post } from '../support/webhooks.ts';

let deployment: Deployment;
let url: string;
let processor: Awaited<ReturnType<Deployment['start']>>;

beforeAll(async () => {
  deployment = await aDeployment(2);
  ({ url } = await deployment.start('bridge'));
  processor = await deployment.start('processor');
});
afterAll(() => deployment[Symbol.asyncDispose]());

const command = (...args: string[]) => run(args, deployment.env);
const traced = async (id: string) => {
  const { code, output } = await command('trace', id, '--json');
  return { code, traces: JSON.parse(output) as readonly Trace[] };
};
const isDecided = (count: number, of = deployment) =>
  until(async () => {
    const entries = (await of.journal()).flatMap(({ event }) => event.entries);
    return entries.filter(({ outcome }) => outcome !== 'REDRIVEN').length >= count;
  }, `${count} are decided`);

test('a publication that was received three times: forwarded once, a duplicate twice, with its event', async () => {
  const body = aBody({ publicationId: 'pub_traced', campaignType: 'GIFT_VOUCHERS' });
  for (let i = 0; i < 3; i += 1) await post(url, body);
  await isDecided(3);
  const { code, traces } = await traced('pub_traced');
  expect(code).toBe(0);
  const [trace] = traces as [Trace];
  const [first, ...others] = trace.arrivals;
  expect(first?.receipt).toMatchObject({
    source: 'voucherify',
    secretName: 'main',
    eventId: 'evpub_traced',
  });
  expect(first?.decision).toMatchObject({ outcome: 'FORWARDED', routesVersion: 'builtin' });
  const [output] = (await deployment.outputs()).filter(({ key }) => String(key) === 'pub_traced');
  expect(first?.decision?.positions).toEqual([
    {
      topic: deployment.catalog.publications['gift-vouchers'],
      partition: output?.partition,
      offset: output?.offset,
    },
  ]);
  expect(others.map(({ decision }) => [decision?.outcome, decision?.duplicateOf])).toEqual([
    ['DUPLICATE', first?.position.offset],
    ['DUPLICATE', first?.position.offset],
  ]);
  const { atMs = 0, visibleAtMs = 0 } = first?.decision ?? {};
  expect(visibleAtMs).toBeGreaterThanOrEqual(atMs);
  expect(visibleAtMs).toBeLessThanOrEqual(Date.now());
  expect(trace.events.map(({ event }) => event.publicationId)).toEqual(['pub_traced']);
  const text = (await command('trace', 'pub_traced')).messages;
  expect(text.match(/(?<=Z {2})\w+/g)).toEqual([
    ...['received', 'forwarded', 'visible'],
    ...['received', 'duplicate', 'received', 'duplicate'],
  ]);
  expect(text).toContain('"publicationId": "pub_traced"');
});

test('an event id, a voucher code, or a customer is found on raw', async () => {
  for (const id of ['evpub_traced', 'CODE-traced0', 'jck-wbhk']) {
    const { traces } = await traced(id);
    expect(traces.map(({ key }) => key)).toEqual(['pub_traced']);
  }
});

test('dead letters, ignored events, waiting events, and an id that was never received', async () => {
  const before = (await deployment.journal()).flatMap(({ event }) => event.entries).length;
  await post(
    url,
    JSON.stringify({ type: 'publication.succeeded', data: { publication: { id: 'pub_parked' } } }),
  );
  await post(
    url,
    JSON.stringify({ type: 'customer.updated', data: {}, event: { id: 'evcus_ignored' } }),
  );
  await isDecided(before + 2);
  const [parked] = (await traced('pub_parked')).traces;
  expect(parked?.arrivals[0]?.decision).toMatchObject({
    outcome: 'DEAD_LETTERED',
    label: 'invalid-publication',
    positions: [{ topic: deployment.catalog.deadLetters }],
  });
  expect((await command('trace', 'pub_parked')).messages).toContain(
    'dead-lettered  invalid-publication',
  );
  expect((await command('trace', 'evcus_ignored')).messages).toContain(
    'customer.updated is not processed',
  );
  processor.child.kill('SIGTERM');
  await processor.child.exited;
  await post(url, aBody({ publicationId: 'pub_waiting' }));
  expect((await command('trace', 'pub_waiting')).messages).toContain(
    'waiting        for a processor',
  );
  processor = await deployment.start('processor');
  const never = await command('trace', 'pub_never');
  expect(never.code).toBe(1);
  expect(never.messages).toContain('never received: no webhook has the key pub_never');
});

test('a letter is listed by its reason, and shown with its path in the data, personal data masked', async () => {
  const { messages } = await command('dead-letters', 'list');
  expect(messages).toMatch(/invalid-publication +1 +0 /);
  const position = /dead-letters show (\d+@\d+)/.exec(messages)?.[1] ?? '';
  const shown = (await command('dead-letters', 'show', position)).messages;
  expect(shown).toContain('invalid-publication, at $.data.publication.created_at');
  expect(shown).toContain('"id": "pub_parked"');
  const none = await command('dead-letters', 'list', '--reason', 'older-than-window');
  expect(none.messages).toBe('no dead letters');
});

const withName = (publicationId: string) => {
  const webhook = JSON.parse(aBody({ publicationId }).toString());
  webhook.data.customer.name = 'Secret Name';
  return JSON.stringify(webhook);
};

test('letters are redriven exactly once, although the command is killed, run twice in parallel, and run again; letters that fail again carry their attempt', async () => {
  await using own = await aDeployment(2);
  const bridge = await own.start('bridge');
  // Routes that turn everything into dead letters, until they are corrected.
  const directory = await mkdtemp(join(tmpdir(), 'voucherbus-routes-'));
  const ROUTES_FILE = join(directory, 'routes.yaml');
  await writeFile(ROUTES_FILE, 'match: first\nroutes: []\ndefault: park\n');
  const strict = await own.start('processor', { ROUTES_FILE });
  const corrected = Array.from({ length: 400 }, (_, i) => `pub_corrected_${i}`);
  const hopeless = Array.from({ length: 50 }, (_, i) => `{"not": "a webhook", "n": ${i}}`);
  await Promise.all(
    [...corrected.map(withName), ...hopeless].map((body) => post(bridge.url, body)),
  );
  await isDecided(450, own);
  strict.child.kill('SIGTERM');
  await strict.child.exited;
  await rm(directory, { recursive: true });

  const ours = (...args: string[]) => run(['dead-letters', ...args], own.env);
  const list = await ours('list');
  expect(list.messages).toMatch(/no-route +400 +0 /);
  expect(list.messages).toMatch(/unknown-shape +50 +0 /);
  const example = /no-route .* (\d+@\d+)/.exec(list.messages)?.[1] ?? '';
  expect((await ours('show', example)).output).not.toContain('Secret Name');
  const unmasked = await ours('show', example, '--unmask');
  expect(unmasked.output).toContain('Secret Name');
  expect(unmasked.output).toMatch(/"logger":"audit","action":"personal-data\.unmask","by":".+"/);
  const dry = await ours('redrive');
  expect(dry.messages).toContain('450 to redrive');
  expect(dry.messages).toContain('dry run');
  expect(await own.readAll(own.catalog.raw)).toHaveLength(450);

  await own.start('processor');
  const killed = startChild(['dead-letters', 'redrive', '--execute', '--by', 'ann'], own.env);
  await until(async () => (await own.readAll(own.catalog.raw)).length > 450, 'it has begun');
  killed.kill('SIGKILL');
  await killed.exited;
  const both = [ours('redrive', '--execute', '--by', 'bob'), ours('redrive', '--execute')];
  const [bobs] = await Promise.all(both);
  expect(bobs?.output).toContain('"action":"dead-letters.redrive","by":"bob"');
  const raw = await own.readAll(own.catalog.raw);
  expect(raw.length).toBeGreaterThan(900);
  await isDecided(raw.length, own);
  const again = await ours('redrive', '--execute', '--reason', 'no-route');
  expect(again.messages).toContain('400 redriven before: skipped');
  expect(again.messages).toContain('sent 0 to');

  const published = (await own.outputs()).map(({ event }) => event.publicationId);
  expect(published.toSorted()).toEqual(corrected.toSorted());
  // Each letter went back once: of no letter are there two that died again.
  const letters = await own.readAll(own.catalog.deadLetters);
  const origins = letters.map((letter) => letter.header('voucherbus.redrive.letter'));
  const diedAgain = origins.filter((origin) => origin !== undefined);
  expect(diedAgain.length).toBeGreaterThanOrEqual(50);
  expect(new Set(diedAgain).size).toBe(diedAgain.length);
  const shapes = await ours('list', '--reason', 'unknown-shape', '--json');
  expect(JSON.parse(shapes.output)).toMatchObject([{ open: 50 }]);
  const newest = JSON.parse(shapes.output)[0].example as string;
  expect((await ours('show', newest)).messages).toMatch(/redriven +attempt \d, by /);
  const tooOften = await ours('redrive', '--reason', 'unknown-shape', '--max-attempts', '1');
  expect(tooOften.messages).toContain('50 failed too often (--max-attempts): skipped');
  const trace = await run(['trace', corrected[0] ?? ''], own.env);
  expect(trace.messages).toMatch(
    /dead-lettered .*\n.*visible .*\n.*received .*redriven by .* \(attempt 1\)\n.*forwarded/,
  );
});

test('a letter older than the window is redriven only with --allow-stale, and the journal records the operator', async () => {
  await using own = await aDeployment(1);
  const bridge = await own.start('bridge');
  const first = await own.start('processor');
  for (let i = 0; i < 20; i += 1) await post(bridge.url, aBody());
  await isDecided(20, own);
  first.child.kill('SIGTERM');
  await first.child.exited;
  // Half of the journal is gone: what was created before the rest of it may have come before.
  const { journal } = own.catalog;
  const kafka = own.client.admin();
  await kafka.connect();
  await kafka.fetchTopicMetadata({ topics: [journal] }); // deleteTopicRecords needs it
  const end = await own.reader.offsetOf(journal, 0, 'end');
  const partitions = [{ partition: 0, offset: String(Math.floor(end / 2)) }];
  await kafka.deleteTopicRecords({ topic: journal, partitions });
  await kafka.disconnect();
  await own.start('processor');
  const createdAt = new Date(Date.now() - 600_000).toISOString();
  await post(bridge.url, aBody({ publicationId: 'pub_old', createdAt }));
  await until(async () => (await own.readAll(own.catalog.deadLetters)).length > 0, 'it is parked');

  const ours = (...args: string[]) => run(['dead-letters', 'redrive', ...args], own.env);
  const withoutStale = await ours('--execute');
  expect(withoutStale.messages).toContain(
    '1 older than DEDUP_WINDOW: skipped, --allow-stale sends them',
  );
  expect(withoutStale.messages).toContain('sent 0 to');
  await own.admin.setConfig(own.catalog.raw, { 'max.message.bytes': '100' });
  const refused = await ours('--execute', '--allow-stale', '--by', 'ann');
  expect(refused.code).not.toBe(0);
  expect(refused.output).toMatch(
    /"dead-letters\.redrive","by":"ann","selected":1,"sent":0,"stale":1,"allowStale":true,.+"outcome":"failed"/,
  );
  await own.admin.setConfig(own.catalog.raw, { 'max.message.bytes': '2097152' });
  expect((await ours('--execute', '--allow-stale', '--by', 'ann')).messages).toContain('sent 1 to');
  const published = async () =>
    (await own.outputs()).filter(({ key }) => String(key) === 'pub_old');
  await until(async () => (await published()).length > 0, 'it came out');
  const labels = (await own.journal()).flatMap(({ event }) => event.labels);
  expect(labels).toContain('redriven by ann, attempt 1, stale allowed');
  expect((await ours('--execute', '--allow-stale')).messages).toContain(
    '1 redriven before: skipped',
  );
  expect(await published()).toHaveLength(1);
});
