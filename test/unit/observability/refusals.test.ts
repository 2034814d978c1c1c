import { expect, test } from 'vitest';
import {
  Refusals,
  type RefusedRequest,
  refusalsTogether,
} from '../../../src/observability/refusals.ts';

const minute = 60_000;
const noon = Date.UTC(2026, 10, 28, 12);

function aRequest(atMs: number, reason = 'wrong-signature'): RefusedRequest {
  return {
    ...{ atMs, source: 'shop', reason, status: 401, sender: '192.0.2.1', method: 'POST' },
    ...{ path: '/webhooks/shop', contentType: undefined, contentLength: undefined },
    ...{ userAgent: undefined, hasSignature: true },
  };
}

test('minutes are kept for an hour', () => {
  const refusals = new Refusals();
  refusals.add(aRequest(noon));
  refusals.add(aRequest(noon + 59_999));
  refusals.add(aRequest(noon + minute));
  expect(refusals.report(noon + minute).minutes).toMatchObject([
    { atMs: noon + minute, count: 1 },
    { atMs: noon, count: 2 },
  ]);
  expect(refusals.report(noon + 60 * minute).minutes).toMatchObject([{ atMs: noon + minute }]);
  refusals.add(aRequest(noon + 70 * minute));
  expect(refusals.report(noon).minutes).toHaveLength(1);
});

test('the reports of several workers are one', () => {
  const [a, b] = [new Refusals(), new Refusals()];
  a.add(aRequest(noon));
  b.add(aRequest(noon + 1));
  b.add(aRequest(noon + 2, 'no-signature'));
  const report = refusalsTogether([a.report(noon), b.report(noon)]);
  expect(report.minutes).toEqual([
    { atMs: noon, source: 'shop', reason: 'wrong-signature', status: 401, count: 2 },
    { atMs: noon, source: 'shop', reason: 'no-signature', status: 401, count: 1 },
  ]);
  expect(report.requests.map(({ atMs }) => atMs - noon)).toEqual([2, 1, 0]);
});
