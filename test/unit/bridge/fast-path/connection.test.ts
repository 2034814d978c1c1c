import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { afterEach, expect, test, vi } from 'vitest';
import { Batcher } from '../../../../src/bridge/batcher.ts';
import { Connections } from '../../../../src/bridge/connections.ts';
import type { BridgeContext } from '../../../../src/bridge/context.ts';
import { FastPathConnection } from '../../../../src/bridge/fast-path/connection.ts';
import { InFlight } from '../../../../src/bridge/in-flight.ts';
import type { ReceivedWebhook } from '../../../../src/bridge/raw-record.ts';
import { RefusalLog } from '../../../../src/bridge/refusal-log.ts';
import { StoreProgress } from '../../../../src/bridge/store-progress.ts';
import type { StoredWebhook } from '../../../../src/bridge/webhook-store.ts';
import { createLog } from '../../../../src/observability/log.ts';
import { createMetrics } from '../../../../src/observability/metrics.ts';
import { Tracing } from '../../../../src/observability/tracing.ts';
import { signedHeaders } from '../../../../src/voucherify/signature.ts';
import { exchange } from '../../../support/raw-http.ts';

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

type Store = (webhooks: readonly ReceivedWebhook[]) => Promise<readonly StoredWebhook[]>;

const storing: Store = async (webhooks) =>
  webhooks.map((_, offset) => ({ kind: 'stored', partition: 1, offset: 40 + offset }));

/**
 * A server all of whose connections begin on the fast path. Node's server behind it responds with
 * 299 and the body.
 */
async function aServer({ store = storing, responseTimeoutMs = 5_000, maxRequests = 100 } = {}) {
  const behind = createHttpServer(async (request, response) => {
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece);
    const body = Buffer.concat(pieces);
    response.writeHead(299, { 'content-length': body.length });
    response.end(body);
  });
  const webhooks: ReceivedWebhook[] = [];
  const batcher = new Batcher(
    (batch) => {
      webhooks.push(...batch);
      return store(batch);
    },
    { maxRecords: 10, maxBytes: 1e6 },
  );
  const state = { isStopping: false };
  const context = {
    config: {
      responseTimeoutMs,
      allowedSenders: undefined,
      trustedProxyHops: 0,
      maxBodyBytes: 1e6,
    },
    sources: () => new Map([['shop', [{ name: 'main', key: 'k' }]]]),
    rawTopic: 'raw',
    batcher,
    inFlight: new InFlight({ maxRequests, maxBytes: 1e6 }),
    refusals: new RefusalLog({ trustedProxyHops: 0 }, createLog('silent', 'test')),
    progress: new StoreProgress(createLog('silent', 'test')),
    log: pino({ level: 'silent' }),
    metrics: createMetrics({ version: 'test' }),
    tracing: new Tracing(),
    isStopping: () => state.isStopping,
  } as unknown as BridgeContext;
  const server = createServer({ allowHalfOpen: true, noDelay: true });
  const connections = new Connections(1_000);
  server.on('connection', (socket) => {
    new FastPathConnection(socket, context, connections, (left) => behind.emit('connection', left));
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  closers.push(() => server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const outcomes = async () => {
    const json = await context.metrics.registry.getMetricsAsJSON();
    const values = json.find(({ name }) => name === 'voucherbus_webhooks_received_total')?.values;
    return Object.fromEntries((values ?? []).map((one) => [one.labels['outcome'], one.value]));
  };
  return { url, webhooks, state, context, outcomes };
}

function request(text: string, headers: Record<string, string> = {}): string {
  const body = Buffer.from(text);
  const all = { host: 'x', ...signedHeaders(body, 'k'), 'content-length': body.length, ...headers };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return `POST /webhooks/shop HTTP/1.1\r\n${lines.join('')}\r\n${body}`;
}

async function opened(url: string): Promise<{ socket: Socket; received: () => string }> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1');
  });
  socket.on('error', () => undefined);
  await new Promise((resolve) => socket.once('connect', resolve));
  closers.push(() => socket.destroy());
  return { socket, received: () => text };
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await sleep(2);
}

const statuses = (text: string) =>
  [...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => Number(status));

test('webhooks get the same responses as from Node, one after the other', async () => {
  const { url, webhooks, outcomes } = await aServer();
  const { socket, received } = await opened(url);
  for (const [i, text] of ['{"a":1}', '', '{"b":"é"}'].entries()) {
    socket.write(request(text));
    await until(() => statuses(received()).length === i + 1);
  }
  expect(statuses(received())).toEqual([202, 202, 202]);
  expect(webhooks.map(({ verified }) => verified.body.toString())).toEqual([
    '{"a":1}',
    '',
    '{"b":"é"}',
  ]);
  expect(await outcomes()).toEqual({ stored: 3 });
  expect(
    received()
      .split('HTTP/1.1 ')[1]
      ?.replace(/Date: .*/, 'Date: now'),
  ).toBe(
    [
      '202 Accepted',
      'content-type: application/json',
      'content-length: 59',
      'Date: now',
      'Connection: keep-alive',
      'Keep-Alive: timeout=75',
      '',
      '{"status":"stored","topic":"raw","partition":1,"offset":40}',
    ].join('\r\n'),
  );
});

test('a body may come in a few pieces', async () => {
  const { url, webhooks } = await aServer();
  const whole = request('{"a":12345}');
  const pieces = [whole.slice(0, -11), whole.slice(-11, -4), whole.slice(-4)];
  // On a busy machine a piece may be late, and Node's server answers.
  await vi.waitFor(async () => {
    const { answers } = await exchange(url, pieces, { pauseMs: 10 });
    expect(answers.map(({ status }) => status)).toEqual([202]);
  }, 20_000);
  expect(webhooks.map(({ verified }) => verified.body.toString())).toEqual(['{"a":12345}']);
});

test.each([
  ['whose head comes in pieces', [request('{}').slice(0, 30), request('{}').slice(30)], 5],
  ['whose body is late', [request('{}').slice(0, -1), request('{}').slice(-1)], 200],
  ['whose body trickles', [request('{}xxxxxxxxxxxx').slice(0, -12), ...'xxxxxxxxxxxx'], 4],
  ['with a wrong signature', [request('{}').replace(/[0-9a-f]{8}\r/, '00000000\r')], 0],
  ['to another path', [request('{}').replace('shop', 'other')], 0],
  [
    'that is chunked',
    [request('').replace(/content-length.*/, 'transfer-encoding: chunked'), '2\r\n{}\r\n0\r\n\r\n'],
    5,
  ],
])("one %s is answered by Node's server, which has all of it", async (_, pieces, pauseMs) => {
  const { url, webhooks, context } = await aServer();
  const { answers } = await exchange(url, pieces, { pauseMs });
  expect(answers.map(({ status }) => status)).toEqual([299]);
  expect(answers[0]?.body).toMatch(/^\{\}x*$/);
  expect(webhooks).toEqual([]);
  expect(context.inFlight.requests).toBe(0);
});

test('requests sent before a response are handled after it', async () => {
  const taken = Promise.withResolvers<void>();
  const sent = Promise.withResolvers<void>();
  const { url } = await aServer({
    store: async (webhooks) => {
      taken.resolve();
      await sent.promise;
      return storing(webhooks);
    },
  });
  const { socket, received } = await opened(url);
  socket.write(request('{"a":1}'));
  await taken.promise;
  socket.write(request('{"b":1}'));
  await sleep(20); // however they arrive, they come before the first is answered
  socket.write(request('{"c":1}'));
  await sleep(20);
  sent.resolve();
  await until(() => statuses(received()).length === 3);
  expect(statuses(received())).toEqual([202, 299, 299]);
  expect(received().match(/\{"[bc]":1\}/g)).toEqual(['{"b":1}', '{"c":1}']);
});

test('a webhook that Kafka does not store in time gets 503, and the connection stays open', async () => {
  const held: (() => void)[] = [];
  const store: Store = async (webhooks) => {
    if (held.length === 0) await new Promise<void>((resolve) => held.push(resolve));
    return storing(webhooks);
  };
  const { url, context, outcomes } = await aServer({ store, responseTimeoutMs: 100 });
  const { socket, received } = await opened(url);
  socket.write(request('{}'));
  await until(() => statuses(received()).length === 1);
  // It is still in memory.
  expect(context.inFlight.requests).toBe(1);
  held[0]?.();
  await until(() => context.inFlight.requests === 0);
  socket.write(request('{}'));
  await until(() => statuses(received()).length === 2);
  expect(statuses(received())).toEqual([503, 202]);
  expect(received()).toContain('retry-after: 5');
  expect(await outcomes()).toEqual({ 'not-stored': 1, stored: 1 });
});

test('a failed write gets 503', async () => {
  const { url } = await aServer({ store: () => Promise.reject(new Error('Kafka is unreachable')) });
  const { answers } = await exchange(url, [request('{}')]);
  expect(answers.map(({ status }) => status)).toEqual([503]);
});

test('who is gone before its body is whole leaves nothing', async () => {
  const { url, context, outcomes } = await aServer();
  for (const end of ['end', 'destroy'] as const) {
    const { socket } = await opened(url);
    socket.write(request('{}').slice(0, -1));
    await until(() => context.inFlight.requests === 1);
    socket[end]();
    await until(() => context.inFlight.requests === 0);
  }
  expect(await outcomes()).toEqual({ aborted: 2 });
  expect(context.inFlight.bytes).toBe(0);
});

test('an incomplete body is evicted for a complete one', async () => {
  const { url, outcomes } = await aServer({ maxRequests: 1 });
  const { socket, received } = await opened(url);
  socket.write(request('{}').slice(0, -1));
  await sleep(20);
  const { answers } = await exchange(url, [request('{}')]);
  expect(answers.map(({ status }) => status)).toEqual([202]);
  await until(() => socket.closed);
  expect(statuses(received())).toEqual([503]);
  expect(received()).toContain('Connection: close');
  expect(await outcomes()).toEqual({ 'too-many-in-flight': 1, stored: 1 });
});

test('without a place for it, it is for Node to refuse', async () => {
  const { url } = await aServer({ maxRequests: 0 });
  const { answers } = await exchange(url, [request('{}')]);
  expect(answers.map(({ status }) => status)).toEqual([299]);
});

test('who sends nothing more is answered, then the connection ends', async () => {
  const { url } = await aServer();
  const { socket, received } = await opened(url);
  socket.end(request('{}'));
  await until(() => socket.closed);
  expect(statuses(received())).toEqual([202]);
});

test('a connection without a request is closed', async () => {
  const { url } = await aServer({ responseTimeoutMs: 50 });
  const { socket, received } = await opened(url);
  await until(() => socket.closed);
  expect(received()).toBe('');
});

test('a stopping bridge closes the connection with its response', async () => {
  const { url, state } = await aServer();
  state.isStopping = true;
  const { socket, received } = await opened(url);
  socket.write(request('{}'));
  await until(() => socket.closed);
  expect(statuses(received())).toEqual([202]);
  expect(received()).toContain('Connection: close');
});
