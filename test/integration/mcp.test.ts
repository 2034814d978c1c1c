/** `voucherbus mcp`, with the official SDK's client. */

import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { aBody } from '../support/builders.ts';
import { aDeployment, type Deployment, until } from '../support/deployment.ts';
import { post } from '../support/webhooks.ts';

let deployment: Deployment;
let client: Client;
beforeAll(async () => {
  deployment = await aDeployment(2);
  const [bridge] = await Promise.all([deployment.start('bridge'), deployment.start('processor')]);
  await post(bridge.url, aBody({ publicationId: 'pub_agent' }));
  await post(bridge.url, Buffer.from('{"type":"publication.succeeded"}'));
  await until(async () => {
    const entries = (await deployment.journal()).flatMap(({ event }) => event.entries);
    return entries.length === 2;
  }, 'both are decided');
  const env = Object.entries(deployment.env).filter(([, value]) => value !== undefined);
  client = new Client({ name: 'test', version: '1' });
  await client.connect(
    new StdioClientTransport({
      command: process.execPath,
      args: ['src/main.ts', ...['mcp']],
      env: Object.fromEntries(env) as Record<string, string>,
    }),
  );
});
afterAll(async () => {
  await client?.close();
  await deployment?.[Symbol.asyncDispose]();
});

async function call(name: string, args: Record<string, unknown> = {}) {
  const { content, isError } = await client.callTool({ name, arguments: args });
  const [{ text }] = content as [{ text: string }];
  return { isError: isError === true, text };
}

test('every tool is read-only, and says so', async () => {
  const { tools } = await client.listTools();
  expect(tools.map(({ name }) => name).sort()).toEqual([
    'dead_letter',
    'dead_letters',
    'lag',
    'redrive_dry_run',
    'routes_try',
    'topics_plan',
    'trace',
  ]);
  for (const { annotations } of tools) expect(annotations?.readOnlyHint).toBe(true);
});

test('an event is found; one that never came is said so', async () => {
  const { text } = await call('trace', { id: 'pub_agent' });
  expect(JSON.parse(text)).toMatchObject({
    isReceived: true,
    traces: [{ key: 'pub_agent', arrivals: [{ decision: { outcome: 'FORWARDED' } }] }],
  });
  expect(text).not.toMatch(/@example|@voucherify/);
  expect(JSON.parse((await call('trace', { id: 'pub_unknown' })).text)).toEqual({
    isReceived: false,
    traces: [],
  });
});

test('dead letters are counted and shown; a redrive is only planned', async () => {
  const [group] = JSON.parse((await call('dead_letters')).text);
  expect(group).toMatchObject({ count: 1, redriven: 0 });
  const [letter] = await deployment.readAll(deployment.catalog.deadLetters);
  const { partition, offset } = letter ?? { partition: 0, offset: 0 };
  const shown = JSON.parse((await call('dead_letter', { partition, offset })).text);
  expect(shown).toMatchObject({
    reason: group.reason,
    body: expect.stringContaining('publication'),
  });
  const raw = await deployment.readAll(deployment.catalog.raw);
  expect(JSON.parse((await call('redrive_dry_run')).text)).toMatchObject([
    { outcome: 'send', count: 1 },
  ]);
  expect(await deployment.readAll(deployment.catalog.raw)).toHaveLength(raw.length);
  expect(await call('dead_letter', { partition: 0, offset: 99 })).toEqual({
    isError: true,
    text: 'there is no such dead letter',
  });
});

test('lag, routes and topics', async () => {
  const lag = JSON.parse((await call('lag')).text) as { records: number }[];
  expect(lag.map(({ records }) => records)).toEqual([0, 0]);
  expect(JSON.parse((await call('routes_try', { last: 10 })).text)).toMatchObject({
    events: 1,
    unchanged: 1,
  });
  expect(JSON.parse((await call('topics_plan')).text)).toEqual([]);
  expect((await call('routes_try', { file: '/no/such/file' })).isError).toBe(true);
});
