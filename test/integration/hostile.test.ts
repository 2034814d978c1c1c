/**
 * Whatever arrives is answered, or its connection closed, in time; nothing crashes, leaks, or gets
 * into a log line; what is signed is on raw and processed.
 */

import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Decoder } from '../../src/avro/decoder.ts';
import type { RawWebhook } from '../../src/avro/records.ts';
import { schemas } from '../../src/avro/schemas.ts';
import { sign, signatureHeader } from '../../src/voucherify/signature.ts';
import { aBody } from '../support/builders.ts';
import { decodedValue } from '../support/decoded-value.ts';
import { aDeployment, type Deployment, metric, secret, until } from '../support/deployment.ts';
import { type Exchange, exchange } from '../support/raw-http.ts';
import { post } from '../support/webhooks.ts';

/** Stands in every body here and must stand in no log line. */
const marker = 'm4rk3r';
const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31));
console.error(`· seed ${seed} (SEED=${seed} brings this run back)`);

let deployment: Deployment;
let bridge: Awaited<ReturnType<Deployment['start']>>;
let processor: Awaited<ReturnType<Deployment['start']>>;

beforeAll(async () => {
  deployment = await aDeployment(2, { RESPONSE_TIMEOUT: '2s', LOG_LEVEL: 'trace' });
  bridge = await deployment.start('bridge');
  processor = await deployment.start('processor');
});
afterAll(() => deployment[Symbol.asyncDispose]());

const path = '/webhooks/voucherify';
const signed = (body: Buffer) => `${signatureHeader}: ${sign(body, secret)}\r\n`;

/** How a body can travel: each makes the pieces that are written to the connection. */
const framings: Record<string, (body: Buffer, cuts: readonly number[]) => readonly Buffer[]> = {
  'with its length': (body) => [
    Buffer.from(
      `POST ${path} HTTP/1.1\r\nhost: x\r\n${signed(body)}content-length: ${body.length}\r\n\r\n`,
    ),
    body,
  ],
  'in pieces': (body, cuts) => [
    Buffer.from(
      `POST ${path} HTTP/1.1\r\nhost: x\r\n${signed(body)}content-length: ${body.length}\r\n\r\n`,
    ),
    ...cutUp(body, cuts),
  ],
  chunked: (body, cuts) => [
    Buffer.from(
      `POST ${path} HTTP/1.1\r\nhost: x\r\n${signed(body)}transfer-encoding: chunked\r\n\r\n`,
    ),
    ...cutUp(body, cuts)
      .filter(({ length }) => length > 0)
      .map((piece) =>
        Buffer.concat([
          Buffer.from(`${piece.length.toString(16)}\r\n`),
          piece,
          Buffer.from('\r\n'),
        ]),
      ),
    Buffer.from('0\r\n\r\n'),
  ],
  'over HTTP/1.0': (body) => [
    Buffer.from(`POST ${path} HTTP/1.0\r\n${signed(body)}content-length: ${body.length}\r\n\r\n`),
    body,
  ],
  'after asking whether to': (body) => [
    Buffer.from(
      `POST ${path} HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\n${signed(body)}content-length: ${body.length}\r\n\r\n`,
    ),
    body,
  ],
};

function cutUp(body: Buffer, cuts: readonly number[]): readonly Buffer[] {
  const places = [0, ...cuts.map((cut) => Math.floor(cut * body.length)), body.length];
  places.sort((a, b) => a - b);
  return places.slice(1).map((to, i) => body.subarray(places[i], to));
}

const utf8 = (text: string) => Buffer.from(text);
const withPublication = (data: string) =>
  utf8(
    `{"type":"publication.succeeded","data":{"publication":{"id":"pub_${marker}","created_at":"2024-02-01T12:54:33.174Z"},"vouchers":[{"code":"${marker}","type":"GIFT_VOUCHER"}],${data}}}`,
  );
const nested = (depth: number) => `${'['.repeat(depth)}"${marker}"${']'.repeat(depth)}`;

const bodies = fc.oneof(
  fc.uint8Array({ maxLength: 2_000 }).map((bytes) => Buffer.concat([utf8(marker), bytes])),
  fc.json({ maxDepth: 8, stringUnit: 'binary' }).map((json) => utf8(`{"${marker}":${json}}`)),
  // Duplicate keys; the last one counts, as in JSON.parse.
  fc.constant(withPublication(`"publication":{"id":"pub_other"},"publication":"${marker}"`)),
  fc.integer({ min: 1, max: 200_000 }).map((depth) => utf8(nested(depth))),
  fc.integer({ min: 1, max: 80_000 }).map((depth) => utf8(`{"${marker}":`.repeat(depth))),
  fc
    .integer({ min: 1, max: 100_000 })
    .map((depth) => withPublication(`"campaign":{"metadata":{"deep":${nested(depth)}}}`)),
  fc.constant(Buffer.concat([utf8(`{"${marker}":"`), Buffer.from([0xff, 0xc0, 0x80]), utf8('"}')])),
  fc.constant(withPublication(`"customer":{"name":"\\ud800","metadata":{"\\udfff":"\\ud83d"}}`)),
  fc.constant(
    withPublication(
      `"__proto__":{"polluted":"${marker}"},"constructor":{"prototype":{"x":1}},"campaign":{"metadata":{"__proto__":"${marker}","toString":1}}`,
    ),
  ),
  fc
    .constantFrom('1e999999', '-1e999999', '9'.repeat(100_000), '0.1e-400', '-0')
    .map((number) =>
      withPublication(
        `"campaign":{"metadata":{"n":${number}}},"vouchers":[{"code":"${marker}","gift":{"amount":${number}}}]`,
      ),
    ),
  fc
    .constantFrom('type', 'id', 'project_id')
    .map((key) => utf8(`{"${key}":"${marker.repeat(100_000)}","data":{}}`)),
  fc
    .constantFrom('id', 'created_at', 'channel')
    .map((key) =>
      withPublication(`"publication":{"id":"pub_1","${key}":"${marker.repeat(100_000)}"}`),
    ),
  fc.constant(gzipSync(utf8(`{"${marker}":1}`))),
  fc.constant(gzipSync(Buffer.alloc(10 * 1024 * 1024, marker))),
  fc
    .integer({ min: 0, max: 50 })
    .map((count) => withPublication(`"vouchers":[${'{},'.repeat(count)}null]`)),
  fc.constant(Buffer.alloc(0)),
  fc.constantFrom('null', 'true', '0', '""', '[]', '{}').map(utf8),
);

test('a signed body gets 202 however it is sent, is on raw byte for byte, and is processed', async () => {
  const sent = new Set<string>();
  const arbitrary = fc.record({
    body: bodies,
    framing: fc.constantFrom(...Object.keys(framings)),
    cuts: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 8 }),
  });
  await fc.assert(
    fc.asyncProperty(arbitrary, async ({ body, framing, cuts }) => {
      const pieces = framings[framing]?.(body, cuts) ?? [];
      const { answers } = await exchange(bridge.url, pieces);
      expect(answers.map(({ status }) => status)).toEqual([202]);
      sent.add(body.toString('latin1'));
    }),
    { numRuns: 300, seed, endOnFailure: true },
  );
  const records = await deployment.readAll(deployment.catalog.raw);
  const decoder = new Decoder<RawWebhook>(schemas.RawWebhook.type, deployment.registry);
  await decoder.prepare(records.map(({ value }) => value));
  const stored = records.map(({ value }) => decodedValue(decoder.decode(value)).body);
  expect(new Set(stored.map((body) => body.toString('latin1')))).toEqual(sent);
  await until(
    async () => (await metric(processor.admin, 'voucherbus_events_total')) >= records.length,
    'all are processed',
  );
});

test('one byte per chunk takes no more memory than one chunk', async () => {
  const body = Buffer.alloc(256 * 1024, 'x');
  const head = `POST ${path} HTTP/1.1\r\nhost: x\r\n${signed(body)}transfer-encoding: chunked\r\n\r\n`;
  // A million chunks take their time.
  const patient = await deployment.start('bridge', { RESPONSE_TIMEOUT: '9s' });
  const before = await metric(patient.admin, 'process_resident_memory_bytes');
  const answers = await Promise.all(
    Array.from({ length: 4 }, () =>
      exchange(patient.url, [head, Buffer.from(`${'1\r\nx\r\n'.repeat(body.length)}0\r\n\r\n`)]),
    ),
  );
  expect(answers.flatMap(({ answers: all }) => all.map(({ status }) => status))).toEqual(
    answers.map(() => 202),
  );
  const after = await metric(patient.admin, 'process_resident_memory_bytes');
  // Kept as a Buffer a byte they would be about 100 bytes each.
  expect(after - before).toBeLessThan(90e6);
});

test('pipelined webhooks get their responses in order, also if bad input follows', async () => {
  const body = utf8(`{"${marker}":1}`);
  const one = (framings['with its length']?.(body, []) ?? []).map(String).join('');
  const unsigned = one.replace(/: [0-9a-f]{64}/, `: ${'0'.repeat(64)}`);
  const { answers } = await exchange(bridge.url, [`${one}${unsigned}${one}`], { expected: 3 });
  expect(answers.map(({ status }) => status)).toEqual([202, 401, 202]);
  const broken = await exchange(bridge.url, [`${one}NOT HTTP ${marker}\r\n\r\n`], { expected: 2 });
  expect(broken.answers.map(({ status }) => status)).toEqual([202]);
});

const token = fc.string({ minLength: 1, maxLength: 12, unit: fc.constantFrom(...'ABCXYZabc-_!~') });
const requests = fc.oneof(
  // Anything at all.
  fc.uint8Array({ maxLength: 3_000 }).map((bytes) => Buffer.concat([utf8(marker), bytes])),
  // A method, a path and a version that may be right.
  fc
    .tuple(
      fc.oneof(
        token,
        fc.constantFrom('GET', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'HEAD', 'TRACE', 'CONNECT'),
      ),
      fc.constantFrom(
        path,
        '/',
        '*',
        `/${marker}`,
        `${path}/..`,
        `${path}%00`,
        'http://x/webhooks/voucherify',
        '//',
        `${path}?${marker.repeat(3_000)}`,
      ),
      fc.constantFrom('HTTP/1.1', 'HTTP/1.0', 'HTTP/0.9', 'HTTP/2.0', 'HTTP/9.9', ''),
    )
    .map(([method, target, version]) =>
      utf8(`${method} ${target} ${version}\r\nhost: x\r\ncontent-length: 0\r\n\r\n`),
    ),
  // Lengths that are not, or are twice.
  fc
    .constantFrom(
      '-1',
      '1e3',
      '0x10',
      '99999999999999999999',
      '5, 6',
      '5\r\ncontent-length: 6',
      '5\r\ntransfer-encoding: chunked',
      '',
      marker,
    )
    .map((length) =>
      utf8(`POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-length: ${length}\r\n\r\n${marker}`),
    ),
  fc
    .constantFrom(
      'zz\r\n',
      'ffffffffffffffff\r\n',
      `5;${'x'.repeat(20_000)}\r\n`,
      '5\r\nab',
      '-1\r\n\r\n',
      '\r\n\r\n',
    )
    .map((chunk) =>
      utf8(
        `POST ${path} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n${chunk}${marker}`,
      ),
    ),
  // Floods of headers.
  fc
    .integer({ min: 1, max: 5_000 })
    .map((count) =>
      utf8(`POST ${path} HTTP/1.1\r\nhost: x\r\n${`x: ${marker}\r\n`.repeat(count)}\r\n`),
    ),
  fc
    .integer({ min: 1, max: 100_000 })
    .map((length) =>
      utf8(
        `POST ${path} HTTP/1.1\r\nhost: x\r\n${'a'.repeat(length)}: ${marker}\r\ncontent-length: 0\r\n\r\n`,
      ),
    ),
  // Headers that confuse.
  fc
    .constantFrom(
      'host: y',
      'content-type: ;',
      'content-encoding: gzip',
      'transfer-encoding: gzip, chunked',
      'connection: upgrade\r\nupgrade: websocket',
      'expect: 42',
      `${signatureHeader}: x\r\n${signatureHeader}: y`,
      'x: \x00\x01',
      ' folded',
      `: ${marker}`,
    )
    .map((header) =>
      utf8(`POST ${path} HTTP/1.1\r\nhost: x\r\n${header}\r\ncontent-length: 2\r\n\r\n{}`),
    ),
);

const isRefusal = ({ answers }: Exchange) =>
  answers.every(({ status }) => status >= 400 && status < 500);

test('anything but a signed webhook gets 4xx, or its connection is closed, in time', async () => {
  const handles = await metric(bridge.admin, 'nodejs_active_handles_total');
  const several = fc.array(fc.tuple(requests, fc.boolean()), { minLength: 40, maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(several, async (all) => {
      const results = await Promise.all(
        all.map(([bytes, finish]) => exchange(bridge.url, [bytes], { finish })),
      );
      expect(results.filter((result) => !isRefusal(result))).toEqual([]);
      // Not a claim about speed: RESPONSE_TIMEOUT is 2 s, looked at every second.
      expect(Math.max(...results.map(({ ms }) => ms))).toBeLessThan(6_000);
    }),
    { numRuns: 8, seed, endOnFailure: true },
  );
  expect((await post(bridge.url, aBody())).status).toBe(202);
  await until(
    async () => (await metric(bridge.admin, 'nodejs_active_handles_total')) <= handles + 5,
    'the connections are closed',
  );
});

test('a hundred megabytes are refused without being kept in memory, announced or not', async () => {
  const before = await metric(bridge.admin, 'process_resident_memory_bytes');
  const piece = Buffer.alloc(1024 * 1024, marker);
  const pieces = Array.from({ length: 100 }, () => piece);
  const announced = await exchange(bridge.url, [
    `POST ${path} HTTP/1.1\r\nhost: x\r\n${signed(piece)}content-length: ${100 * piece.length}\r\n\r\n`,
    ...pieces,
  ]);
  const chunked = await exchange(bridge.url, [
    `POST ${path} HTTP/1.1\r\nhost: x\r\n${signed(piece)}transfer-encoding: chunked\r\n\r\n`,
    ...pieces.flatMap((one) => [`${one.length.toString(16)}\r\n`, one, '\r\n']),
  ]);
  expect([announced, chunked].map(({ answers }) => answers[0]?.status)).toEqual([413, 413]);
  const after = await metric(bridge.admin, 'process_resident_memory_bytes');
  expect(after - before).toBeLessThan(100e6);
});

test('afterwards nothing is left: no request, no connection, no byte of a body in a log line', async () => {
  const held = async () => [
    await metric(bridge.admin, 'voucherbus_webhooks_in_flight'),
    await metric(bridge.admin, 'voucherbus_webhook_bytes_in_flight'),
  ];
  await until(async () => (await held()).every((value) => value === 0), 'nothing is in flight');
  bridge.child.kill('SIGTERM');
  processor.child.kill('SIGTERM');
  expect([await bridge.child.exited, await processor.child.exited]).toEqual([0, 0]);
  for (const { child } of [bridge, processor]) expect(child.output()).not.toContain(marker);
});
