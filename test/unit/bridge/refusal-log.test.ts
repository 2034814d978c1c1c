import { Writable } from 'node:stream';
import { expect, test } from 'vitest';
import { problems } from '../../../src/bridge/problems.ts';
import { RefusalLog, type RefusedHead } from '../../../src/bridge/refusal-log.ts';
import { createLog } from '../../../src/observability/log.ts';

function aLog() {
  const lines: string[] = [];
  const write = (chunk: Buffer, _: string, done: () => void) => {
    lines.push(String(chunk));
    done();
  };
  return {
    lines,
    refusals: new RefusalLog(
      { trustedProxyHops: 0 },
      createLog('info', 'bridge', new Writable({ write })),
    ),
  };
}

function aHead(changes: Partial<RefusedHead> = {}): RefusedHead {
  return {
    method: 'POST',
    url: '/webhooks/shop?token=secret',
    contentLength: '12',
    contentType: 'application/json',
    userAgent: 'x'.repeat(1_000),
    address: '::ffff:192.0.2.7',
    forwardedFor: undefined,
    signature: 'abc',
    ...changes,
  };
}

test('a series of refusals is logged once, with its likely causes; single ones are not', () => {
  const { lines, refusals } = aLog();
  for (let i = 0; i < 9; i += 1) refusals.note(problems.wrongSignature, 'shop', undefined);
  expect(lines).toEqual([]);
  for (let i = 0; i < 30; i += 1) refusals.note(problems.wrongSignature, 'shop', undefined);
  expect(lines).toHaveLength(1);
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({ source: 'shop', refused: 10 });
  expect(lines[0]).toContain('quotes');
});

test('a verified webhook ends the series: the refused ones were foreign', () => {
  const { lines, refusals } = aLog();
  for (let i = 0; i < 40; i += 1) {
    refusals.note(problems.wrongSignature, 'shop', undefined);
    if (i % 5 === 0) refusals.verified('shop');
  }
  expect(lines).toEqual([]);
});

test('a forbidden sender is logged with its address', () => {
  const { lines, refusals } = aLog();
  const head = aHead({ address: '203.0.113.5' });
  for (let i = 0; i < 10; i += 1) refusals.note(problems.senderNotAllowed, 'none', head);
  expect(lines[0]).toContain('203.0.113.5');
  expect(lines[0]).toContain('TRUSTED_PROXY_HOPS');
});

test('the last requests are kept without body, query and what is too long, and counted by minute', () => {
  const { refusals } = aLog();
  for (let i = 0; i < 60; i += 1) {
    refusals.note(problems.wrongSignature, 'shop', aHead({ contentLength: String(i) }));
  }
  refusals.note(problems.malformed, 'none', undefined);
  const { minutes, requests } = refusals.report();
  expect(requests).toHaveLength(50);
  expect(requests[0]).toMatchObject({ source: 'none', reason: 'malformed-request', status: 400 });
  expect(requests[1]).toMatchObject({
    ...{ source: 'shop', reason: 'wrong-signature', status: 401, sender: '192.0.2.7' },
    ...{ method: 'POST', path: '/webhooks/shop', contentLength: '59', hasSignature: true },
    userAgent: 'x'.repeat(200),
  });
  const of = (reason: string) =>
    minutes.filter((one) => one.reason === reason).reduce((sum, { count }) => sum + count, 0);
  expect([of('wrong-signature'), of('malformed-request')]).toEqual([60, 1]);
});
