/** The table of docs/http-api.md, row by row, on a real broker. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Decoder } from '../../src/avro/decoder.ts';
import type { RawWebhook } from '../../src/avro/records.ts';
import { schemas } from '../../src/avro/schemas.ts';
import { sampleText } from '../../src/voucherify/sample.ts';
import { sign, signatureHeader, signedHeaders, verify } from '../../src/voucherify/signature.ts';
import { aBody } from '../support/builders.ts';
import { decodedValue } from '../support/decoded-value.ts';
import { aDeployment, type Deployment, secret, until } from '../support/deployment.ts';
import { applyTopics } from '../support/prepared.ts';
import { exchange } from '../support/raw-http.ts';
import { post } from '../support/webhooks.ts';

let deployment: Deployment;
let bridge: Awaited<ReturnType<Deployment['start']>>;

beforeAll(async () => {
  deployment = await aDeployment(3, { BODY_MAX_BYTES: '64KiB', RESPONSE_TIMEOUT: '2s' });
  bridge = await deployment.start('bridge');
});
afterAll(() => deployment[Symbol.asyncDispose]());

/** Without one the body is not read. */
const plausible = `${signatureHeader}: ${'0'.repeat(64)}\r\n`;

const stored = async (partition: unknown, offset: unknown) => {
  const decoder = new Decoder<RawWebhook>(schemas.RawWebhook.type, deployment.registry);
  const record = (await deployment.readAll(deployment.catalog.raw)).find(
    (one) => one.partition === partition && one.offset === offset,
  );
  await decoder.prepare([record?.value ?? null]);
  return { record, raw: decodedValue(decoder.decode(record?.value ?? null)) };
};

test.each([
  [
    "the vendor's sample",
    sampleText('publication-succeeded'),
    'pub_r0413bLwExpB6LE0v286eNVmEpx6NxmP',
  ],
  ['voucher.published', sampleText('voucher-published'), 'pub_mLP4jygSMXfVejD3T9DmpsvHYah0Nd0I'],
  [
    'a raw payload at the root',
    JSON.stringify(JSON.parse(sampleText('publication-succeeded')).data),
    'pub_r0413bLwExpB6LE0v286eNVmEpx6NxmP',
  ],
  ['what is not JSON', '  message  ', undefined],
  ['an unknown shape', '{"hello": "world"}', undefined],
])('%s, verified, gets 202 and is on raw, byte for byte', async (_, text, publicationId) => {
  const answer = await post(bridge.url, text);
  expect(answer).toMatchObject({
    status: 202,
    body: { status: 'stored', topic: deployment.catalog.raw },
  });
  const { record, raw } = await stored(answer.body['partition'], answer.body['offset']);
  expect(raw.body.toString()).toBe(text);
  expect(raw.publicationId).toBe(publicationId ?? null);
  if (publicationId) expect(record?.key?.toString()).toBe(publicationId);
  expect(
    Object.fromEntries(record?.headers.map(([name, value]) => [name, value?.toString()]) ?? []),
  ).toMatchObject({ ce_specversion: '1.0', 'content-type': 'application/avro' });
  // A consumer can check the signature again from the record alone.
  expect(verify(raw.body, raw.signature, [{ name: 'main', key: secret }])).toMatchObject({
    verified: { secretName: 'main' },
  });
});

test('the same publication always lands on the same partition', async () => {
  const body = aBody({ publicationId: 'pub_same' });
  const [first, second] = [await post(bridge.url, body), await post(bridge.url, body)];
  expect(second.body['partition']).toBe(first.body['partition']);
  expect(second.body['offset']).not.toBe(first.body['offset']);
});

test.each([
  ['no signature', { [signatureHeader]: '' }, 401, 'no-signature'],
  [
    'a wrong signature',
    { [signatureHeader]: sign(Buffer.from('{}'), 'another') },
    401,
    'wrong-signature',
  ],
])('%s is refused as a problem', async (_, headers, status, slug) => {
  const answer = await post(bridge.url, aBody(), headers);
  expect(answer).toMatchObject({
    status,
    body: { type: `urn:voucherbus:problem:${slug}`, status },
  });
  expect(answer.headers.get('content-type')).toBe('application/problem+json');
});

test('GET, another path and another source are refused', async () => {
  const get = await fetch(bridge.url);
  expect([get.status, get.headers.get('allow')]).toEqual([405, 'POST']);
  expect((await fetch(new URL('/', bridge.url))).status).toBe(404);
  expect((await post(bridge.url.replace(/voucherify$/, 'other'), aBody())).status).toBe(404);
});

test('a body over the limit is refused, announced or not', async () => {
  const big = Buffer.alloc(65 * 1024, 0x20);
  expect((await post(bridge.url, big)).status).toBe(413);
  const status = await new Promise((resolve) => {
    const chunked = request(
      bridge.url,
      {
        method: 'POST',
        headers: { ...signedHeaders(big, secret), 'transfer-encoding': 'chunked' },
      },
      (answer) => resolve(answer.statusCode),
    );
    chunked.on('error', () => undefined); // the bridge closes the connection while we still send
    chunked.end(big);
  });
  expect(status).toBe(413);
});

test('a body that does not arrive in time gets a response, and its connection is closed', async () => {
  const { port, hostname } = new URL(bridge.url);
  const socket = connect(Number(port), hostname);
  socket.write(
    `POST /webhooks/voucherify HTTP/1.1\r\nhost: x\r\n${plausible}content-length: 10\r\n\r\n{`,
  );
  const answer = await new Promise<string>((resolve) => {
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk;
    });
    socket.on('close', () => resolve(text));
  });
  expect(answer).toMatch(/^HTTP\/1.1 408 /);
});

test('a thousand concurrent webhooks are all stored, in few requests', async () => {
  const answers = await Promise.all(Array.from({ length: 1_000 }, () => post(bridge.url, aBody())));
  expect(answers.every(({ status }) => status === 202)).toBe(true);
  const places = new Set(answers.map(({ body }) => `${body['partition']}/${body['offset']}`));
  expect(places.size).toBe(1_000);
  const metrics = await (await fetch(`${bridge.admin}/metrics`)).text();
  expect(metrics).toMatch(
    /voucherbus_webhooks_received_total\{source="voucherify",outcome="stored"\} \d{4}/,
  );
  expect(metrics).toMatch(
    /voucherbus_webhook_signatures_total\{source="voucherify",secret="main"\} \d{4}/,
  );
  const requests = Number(/voucherbus_bridge_batch_records_count (\d+)/.exec(metrics)?.[1]);
  expect(requests).toBeLessThan(500);
});

test('above IN_FLIGHT_MAX_REQUESTS the bridge responds 503 at once', async () => {
  await using narrow = await aDeployment(1, {
    IN_FLIGHT_MAX_REQUESTS: '1',
    RESPONSE_TIMEOUT: '5s',
  });
  const { url } = await narrow.start('bridge');
  await narrow.admin.remove([narrow.catalog.raw]);
  // One webhook that waits for Kafka has the only place.
  const waiting = post(url, aBody());
  const full = await until(async () => {
    const answer = await post(url, aBody());
    return answer.body['type'] === 'urn:voucherbus:problem:too-many-in-flight' && answer;
  }, 'the place is taken');
  expect([full.status, full.headers.get('retry-after')]).toEqual([503, '5']);
  expect((await waiting).body['type']).toBe('urn:voucherbus:problem:not-stored');
});

test('a trickling body is evicted for a complete webhook', async () => {
  await using narrow = await aDeployment(1, { IN_FLIGHT_MAX_REQUESTS: '1' });
  const { url } = await narrow.start('bridge');
  const { port, hostname } = new URL(url);
  const socket = connect(Number(port), hostname);
  const trickled = new Promise<string>((resolve) => {
    socket.once('data', (chunk) => resolve(String(chunk)));
  });
  socket.write(
    `POST /webhooks/voucherify HTTP/1.1\r\nhost: x\r\n${plausible}content-length: 10\r\n\r\n{`,
  );
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect((await post(url, aBody())).status).toBe(202);
  expect(await trickled).toMatch(/^HTTP\/1.1 503 /);
  socket.destroy();
});

test('each source has its own address and secrets, and is in the raw record and its headers', async () => {
  await using several = await aDeployment(1, {
    WEBHOOK_SECRETS: 'main:one,shop/a:two,shop/b:three',
  });
  const { url } = await several.start('bridge');
  const send = async (source: string, key: string) => {
    const body = aBody();
    const address = url.replace(/[^/]+$/, source);
    return (await post(address, body, { [signatureHeader]: sign(body, key) })).status;
  };
  expect([await send('voucherify', 'one'), await send('shop', 'two')]).toEqual([202, 202]);
  expect([await send('voucherify', 'two'), await send('shop', 'one')]).toEqual([401, 401]);
  expect([await send('shop', 'three'), await send('other', 'one')]).toEqual([202, 404]);
  const decoder = new Decoder<RawWebhook>(schemas.RawWebhook.type, several.registry);
  const records = await several.readAll(several.catalog.raw);
  await decoder.prepare(records.map(({ value }) => value));
  const seen = records.map(({ value, headers }) => {
    const raw = decodedValue(decoder.decode(value));
    const named = new Map(headers.map(([name, bytes]) => [name, String(bytes)]));
    return [
      raw.source,
      raw.secretName,
      named.get('voucherbus.source'),
      named.get('ce_source')?.split(':')[2],
    ];
  });
  expect(seen).toEqual([
    ['voucherify', 'main', 'voucherify', 'voucherify'],
    ['shop', 'a', 'shop', 'shop'],
    ['shop', 'b', 'shop', 'shop'],
  ]);
});

test('with ALLOWED_SENDERS others get 403, and X-Forwarded-For counts only with TRUSTED_PROXY_HOPS', async () => {
  await using behind = await aDeployment(1, { ALLOWED_SENDERS: 'eu1', TRUSTED_PROXY_HOPS: '1' });
  const { url } = await behind.start('bridge');
  const status = async (forwardedFor?: string) => {
    const headers = forwardedFor === undefined ? {} : { 'x-forwarded-for': forwardedFor };
    return (await post(url, aBody(), headers)).status;
  };
  expect([await status('34.247.197.22'), await status('203.0.113.5')]).toEqual([202, 403]);
  expect([await status('34.247.197.22, 203.0.113.5'), await status()]).toEqual([403, 403]);
  await using direct = await aDeployment(1, { ALLOWED_SENDERS: 'eu1' });
  const { url: unproxied } = await direct.start('bridge');
  const answer = await post(unproxied, aBody(), { 'x-forwarded-for': '34.247.197.22' });
  expect([answer.status, answer.body['type']]).toEqual([
    403,
    'urn:voucherbus:problem:sender-not-allowed',
  ]);
});

test('while Kafka cannot store it, a webhook gets 503 in time; afterwards it gets 202', async () => {
  await using broken = await aDeployment(1, { RESPONSE_TIMEOUT: '2s' });
  const { url } = await broken.start('bridge');
  expect((await post(url, aBody())).status).toBe(202);
  await broken.admin.remove([broken.catalog.raw]);
  const startedAt = Date.now();
  const answer = await post(url, aBody());
  expect(answer).toMatchObject({
    status: 503,
    body: { type: 'urn:voucherbus:problem:not-stored' },
  });
  expect(answer.headers.get('retry-after')).toBe('5');
  // Not a claim about speed: RESPONSE_TIMEOUT is 2 s, and the producer alone would try for longer.
  expect(Date.now() - startedAt).toBeLessThan(5_000);
  const raw = broken.catalog.topics.find(({ role }) => role === 'raw');
  await broken.admin.create({
    topic: broken.catalog.raw,
    partitions: 1,
    replicationFactor: 1,
    config: raw?.config ?? {},
  });
  for (let left = 20; ; left -= 1) {
    const { status } = await post(url, aBody());
    if (status === 202) break;
    expect(left).toBeGreaterThan(0);
  }
});

test('secrets are reloaded from their file, both are valid meanwhile, and a broken file changes nothing', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'voucherbus-secrets-'));
  const file = join(directory, 'secrets');
  await writeFile(file, 'old:one');
  await using rotating = await aDeployment(1, {
    WEBHOOK_SECRETS: undefined,
    WEBHOOK_SECRETS_FILE: file,
  });
  const { url, child } = await rotating.start('bridge');
  const statusWith = async (key: string) => {
    const body = aBody();
    return (await post(url, body, { [signatureHeader]: sign(body, key) })).status;
  };
  expect([await statusWith('one'), await statusWith('two')]).toEqual([202, 401]);
  await writeFile(file, 'old:one,new:two');
  await until(async () => (await statusWith('two')) === 202, 'the new secret is valid');
  expect(await statusWith('one')).toBe(202);
  expect(child.output()).toMatch(/"action":"webhook-secrets\.change".+"names":\[.*old.*new.*\]/);
  await writeFile(file, 'a:b,a:c');
  await child.said(
    'WEBHOOK_SECRETS_FILE has changed and cannot be used: the last secrets stay in force',
  );
  expect([await statusWith('one'), await statusWith('two')]).toEqual([202, 202]);
  expect(child.output()).not.toContain('two"');
  await rm(directory, { recursive: true });
});

test('on SIGTERM every accepted webhook gets a response, and every 202 is on raw', async () => {
  await using stopping = await aDeployment(1);
  const { url, child } = await stopping.start('bridge');
  // One request is half-way when the signal comes.
  const { port, hostname } = new URL(url);
  const body = aBody({ publicationId: 'pub_halfway' });
  const socket = connect(Number(port), hostname);
  let answer = '';
  socket.on('data', (chunk) => {
    answer += chunk;
  });
  const closed = new Promise((resolve) => socket.on('close', resolve));
  socket.write(
    `POST /webhooks/voucherify HTTP/1.1\r\nhost: x\r\n${signatureHeader}: ${sign(body, secret)}\r\ncontent-length: ${body.length}\r\n\r\n`,
  );
  const posts = Array.from({ length: 300 }, () => post(url, aBody()).catch(() => undefined));
  await Promise.race(posts);
  child.kill('SIGTERM');
  await child.said('stopping');
  socket.write(body);
  const answers = await Promise.all(posts);
  await closed;
  expect(await child.exited).toBe(0);
  expect(answer).toMatch(/^HTTP\/1.1 202 /);
  const acknowledged = answers.filter((one) => one?.status === 202);
  expect(acknowledged.length).toBeGreaterThan(0);
  const stored = await stopping.readAll(stopping.catalog.raw);
  const offsets = new Set(stored.map(({ offset }) => offset));
  expect(acknowledged.every((one) => offsets.has(Number(one?.body['offset'])))).toBe(true);
  expect(stored.some(({ key }) => key?.toString() === 'pub_halfway')).toBe(true);
});

test('on SIGTERM no connection is reset on which a webhook was sent, not even one that was idle before', async () => {
  await using stopping = await aDeployment(1);
  const { url, child } = await stopping.start('bridge');
  const { port, hostname } = new URL(url);
  const open = await Promise.all(
    Array.from({ length: 50 }, async () => {
      const socket = connect(Number(port), hostname);
      let text = '';
      socket.on('data', (chunk) => {
        text += chunk;
      });
      const ended = new Promise<string>((resolve) => {
        socket.on('close', () => resolve(text));
        socket.on('error', (error) => resolve(`${text}${error.message}`));
      });
      await new Promise((resolve) => socket.once('connect', resolve));
      return { socket, ended };
    }),
  );
  // And one that never sends anything.
  const silent = connect(Number(port), hostname);
  silent.on('error', () => undefined);
  child.kill('SIGTERM');
  await child.said('stopping');
  for (const { socket } of open) {
    const body = aBody();
    socket.write(
      `POST /webhooks/voucherify HTTP/1.1\r\nhost: x\r\n${signatureHeader}: ${sign(body, secret)}\r\ncontent-length: ${body.length}\r\n\r\n`,
    );
    socket.write(body);
  }
  const answers = await Promise.all(open.map(({ ended }) => ended));
  expect(answers.filter((text) => !text.startsWith('HTTP/1.1 202 '))).toEqual([]);
  expect(answers.every((text) => /connection: close/i.test(text))).toBe(true);
  expect(await child.exited).toBe(0);
  // Else a connection has kept it from ending, until it gave up.
  expect(child.output()).not.toContain('step failed');
  expect((await stopping.readAll(stopping.catalog.raw)).length).toBe(50);
});

test.each(['text/json', 'application/octet-stream', 'application/xml', ''])(
  'a signed webhook is stored with every media type: %j',
  async (type) => {
    expect(await post(bridge.url, aBody(), { 'content-type': type })).toMatchObject({
      status: 202,
    });
  },
);

test('the target may be absolute, as some proxies send it', async () => {
  const body = aBody();
  const head = Object.entries(signedHeaders(body, secret)).map((pair) => `${pair.join(': ')}\r\n`);
  const request = `POST ${bridge.url} HTTP/1.1\r\nhost: bus\r\n${head.join('')}content-length: ${body.length}\r\n\r\n`;
  const { answers } = await exchange(bridge.url, [Buffer.concat([Buffer.from(request), body])]);
  expect(answers[0]?.status).toBe(202);
});

test('a malformed chunked body gets 400 at once', async () => {
  const { pathname } = new URL(bridge.url);
  const head = `POST ${pathname} HTTP/1.1\r\nhost: bus\r\n${plausible}transfer-encoding: chunked\r\n\r\n`;
  const pieces = [head, '5\r\nhello\r\n', 'no length\r\n'];
  const { answers } = await exchange(bridge.url, pieces, { pauseMs: 50 });
  // Not 408, which is what it gets when RESPONSE_TIMEOUT has passed.
  expect(answers[0]?.status).toBe(400);
});

test('a series of refused signatures is logged, with its possible causes', async () => {
  const wrong = { 'x-voucherify-signature': '0'.repeat(64) };
  for (let i = 0; i < 12; i += 1) await post(bridge.url, aBody(), wrong);
  expect(bridge.child.output()).toContain('their signature matches no secret');
});

test('without a spool and without Kafka the bridge is not ready, reports since when and why, and recovers without help', async () => {
  await using own = await aDeployment(1, { RESPONSE_TIMEOUT: '1s' });
  const { url, child, admin } = await own.start('bridge');
  await own.admin.remove([own.catalog.raw]);
  expect((await post(url, aBody())).status).toBe(503);
  const readyz = async () => {
    const response = await fetch(`${admin}/readyz`);
    return { status: response.status, text: await response.text() };
  };
  const found = await until(async () => {
    const now = await readyz();
    return now.status === 503 && now;
  }, 'it is not ready');
  expect(found.text).toMatch(/nothing reached Kafka since \d{4}-\d\d-\d\dT/);
  expect(child.output()).toContain('webhooks do not reach Kafka');
  await applyTopics(own.catalog, own.admin);
  // Load balancers send nothing to a bridge that is not ready.
  await until(async () => (await readyz()).status === 200, 'it is ready again');
  await until(async () => (await post(url, aBody())).status === 202, 'and stores again');
});

test('raw is recreated with fewer partitions: the bridge continues without a restart', async () => {
  await using own = await aDeployment(6, { RESPONSE_TIMEOUT: '3s' });
  const { url } = await own.start('bridge');
  await post(url, aBody());
  await own.admin.remove([own.catalog.raw]);
  const config = { 'message.timestamp.type': 'CreateTime' };
  await own.admin.create({ topic: own.catalog.raw, partitions: 2, replicationFactor: 1, config });
  await until(async () => {
    const answers = await Promise.all(Array.from({ length: 12 }, () => post(url, aBody())));
    return answers.every(({ status }) => status === 202);
  }, 'every key has a place again');
});
