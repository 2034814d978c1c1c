import { Writable } from 'node:stream';
import { expect, test } from 'vitest';
import { problems } from '../../../src/bridge/problems.ts';
import { RefusalLog } from '../../../src/bridge/refusal-log.ts';
import { createLog } from '../../../src/observability/log.ts';

function aLog() {
  const lines: string[] = [];
  const write = (chunk: Buffer, _: string, done: () => void) => {
    lines.push(String(chunk));
    done();
  };
  return { lines, refusals: new RefusalLog(createLog('info', 'bridge', new Writable({ write }))) };
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
  for (let i = 0; i < 10; i += 1) refusals.note(problems.senderNotAllowed, 'none', '203.0.113.5');
  expect(lines[0]).toContain('203.0.113.5');
  expect(lines[0]).toContain('TRUSTED_PROXY_HOPS');
});
