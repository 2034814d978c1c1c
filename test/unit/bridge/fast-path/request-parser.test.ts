import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseRequest } from '../../../../src/bridge/fast-path/request-parser.ts';
import { signatureHeader } from '../../../../src/voucherify/signature.ts';
import { exchange } from '../../../support/raw-http.ts';

/** The requests that Node's server reads from the bytes, each with its body. */
const seen: { request: IncomingMessage; body: string }[] = [];
const server = createServer({ maxHeaderSize: 16 * 1024 }, async (request, response) => {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece);
  seen.push({ request, body: Buffer.concat(pieces).toString('latin1') });
  response.end();
});
beforeAll(() => new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve)));
afterAll(() => new Promise((resolve) => void server.close(resolve)));

const plain = (lines: string, body = '') => Buffer.from(`${lines}\r\n\r\n${body}`, 'latin1');
const usual = `POST /webhooks/shop HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n${signatureHeader}: ab12\r\nX-Forwarded-For: 1.2.3.4\r\nTraceparent: 00-ab\r\nConnection: Keep-Alive\r\nContent-Length: 2`;

test('a usual webhook is parsed', () => {
  const bytes = plain(usual, '{}');
  expect(parseRequest(bytes)).toEqual({
    url: '/webhooks/shop',
    contentType: 'application/json',
    contentLength: '2',
    forwardedFor: '1.2.3.4',
    signature: 'ab12',
    traceparent: '00-ab',
    tracestate: undefined,
    bodyFrom: bytes.length - 2,
    bodyTo: bytes.length,
  });
});

test('the body may be incomplete', () => {
  const bytes = plain(usual.replace(/2$/, '2000'), '{');
  expect(parseRequest(bytes)?.bodyTo).toBe(bytes.length - 1 + 2_000);
});

test.each([
  ['an incomplete head', Buffer.from(usual)],
  ['another method', plain(usual.replace('POST', 'PUT'))],
  ['another version', plain(usual.replace('1.1', '1.0'))],
  ['a whole URL', plain(usual.replace('/webhooks', 'http://x/webhooks'))],
  ['no length', plain(usual.replace(/\r\nContent-Length.*/, ''))],
  ['two lengths', plain(`${usual}\r\ncontent-length: 2`)],
  ['a length that is none', plain(usual.replace(/2$/, '+2'))],
  ['chunks', plain(`${usual}\r\nTransfer-Encoding: chunked`)],
  ['an expectation', plain(`${usual}\r\nexpect: 100-continue`)],
  ['an upgrade', plain(`${usual}\r\nupgrade: h2c`)],
  ['a connection that ends', plain(usual.replace('Keep-Alive', 'close'))],
  ['no host', plain(usual.replace('Host', 'Toast'))],
  ['two signatures', plain(`${usual}\r\n${signatureHeader}: cd`)],
  ['a folded header', plain(`${usual}\r\n folded`)],
  ['space before a colon', plain(`${usual}\r\nx : y`)],
  ['a bare line feed', plain(`${usual}\r\nx: y\nz: 1`)],
  ['a header that is no text', plain(`${usual}\r\nx: \x00`)],
  ['a header that is not ASCII', plain(`${usual}\r\nx: \xe9`)],
  ['a long head', plain(`${usual}\r\nx: ${'x'.repeat(5_000)}`)],
])('%s is not plain', (_, bytes) => {
  expect(parseRequest(bytes)).toBeUndefined();
});

const names = [
  ...['Host', 'content-length', 'Content-Type', 'X-Forwarded-For', signatureHeader, 'x', 'X-A!'],
  ...['traceparent', 'TraceState'],
  ...['Transfer-Encoding', 'Connection', 'Expect', 'Upgrade', 'Proxy-Connection', 'TE', 'x y', ''],
];
const values = [
  ...['', ' 0', '2', ' 2\t', ' 02', ' -2', '2, 2', ' chunked', ' gzip', ' Keep-Alive', ' close'],
  ...[' upgrade', ' 100-continue', ' a b ', '\ta\t', ' \x7f', ' \x00', ' \xe9', ' a\rb', ' a\nb'],
  ...[' "a"', ':', ' application/json; charset=utf-8', ' trailers'],
];
const anyLine = fc.tuple(
  fc.constantFrom(...names),
  fc.oneof(fc.constantFrom(...values), fc.string({ unit: 'binary-ascii', maxLength: 10 })),
);
const requestLine = fc.oneof(
  { weight: 6, arbitrary: fc.constant('POST /webhooks/shop?x=1 HTTP/1.1') },
  fc
    .tuple(
      fc.constantFrom('POST', 'post', 'GET', 'POST '),
      fc.oneof(
        fc.constantFrom('/', '*', '//a', '/a#b', '/%zz', '/"<>', '/\xe9', 'x', ''),
        fc.string({ unit: 'binary-ascii', maxLength: 8 }).map((path) => `/${path}`),
      ),
      fc.constantFrom('HTTP/1.1', 'HTTP/1.0', 'HTTP/2.0', 'http/1.1', ''),
    )
    .map((parts) => parts.join(' ')),
);
const anyRequest = fc.record({
  first: requestLine,
  // Nearly always what makes it whole, in any place among the others.
  lines: fc
    .tuple(fc.array(anyLine, { maxLength: 4 }), fc.nat(20), fc.nat(20))
    .map(([lines, host, length]) => {
      const all = [...lines];
      if (host > 0) all.splice(host % (all.length + 1), 0, ['host', ' x']);
      if (length > 0) all.splice(length % (all.length + 1), 0, ['content-length', '2']);
      return all;
    }),
  body: fc.constantFrom('{}', '{}', '{}{', '', '12'),
});

test("what is plain, Node's server reads in the same way", async () => {
  const { port } = server.address() as AddressInfo;
  let plains = 0;
  await fc.assert(
    fc.asyncProperty(anyRequest, async ({ first, lines, body }) => {
      const bytes = plain(
        [first, ...lines.map(([name, value]) => `${name}:${value}`)].join('\r\n'),
        body,
      );
      const request = parseRequest(bytes);
      if (!request || request.bodyTo > bytes.length) return;
      plains += 1;
      seen.length = 0;
      await exchange(`http://127.0.0.1:${port}`, [bytes]);
      const [asNode] = seen;
      expect(asNode?.request.method).toBe('POST');
      expect(asNode?.request.httpVersion).toBe('1.1');
      expect(asNode?.body).toBe(bytes.toString('latin1', request.bodyFrom, request.bodyTo));
      const { url, headers } = asNode?.request ?? {};
      expect([
        request.url,
        request.contentType,
        request.contentLength,
        request.forwardedFor,
        request.signature,
        request.traceparent,
        request.tracestate,
      ]).toEqual([
        url,
        headers?.['content-type'],
        headers?.['content-length'],
        headers?.['x-forwarded-for'],
        headers?.[signatureHeader],
        headers?.['traceparent'],
        headers?.['tracestate'],
      ]);
    }),
    { numRuns: 3_000 },
  );
  expect(plains).toBeGreaterThan(100);
});
