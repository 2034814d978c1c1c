import { expect, test } from 'vitest';
import { type Problem, problemBody, problems } from '../../../src/bridge/problem.ts';
import { admit, authenticate } from '../../../src/bridge/receive.ts';
import { sign } from '../../../src/voucherify/signature.ts';

const limits = {
  source: 'voucherify',
  maxBodyBytes: 100,
  maxInFlightRequests: 2,
  maxInFlightBytes: 1_000,
};
const idle = { requests: 0, bytes: 0 };
const head = {
  method: 'POST',
  url: '/webhooks/voucherify',
  contentType: 'application/json',
  contentLength: '10',
};

test.each([
  ['another path', { url: '/' }, idle, problems.unknownPath],
  ['another source', { url: '/webhooks/other' }, idle, problems.unknownPath],
  ['a path below', { url: '/webhooks/voucherify/x' }, idle, problems.unknownPath],
  ['GET', { method: 'GET' }, idle, problems.wrongMethod],
  ['XML', { contentType: 'application/xml' }, idle, problems.wrongMediaType],
  ['a form', { contentType: 'application/x-www-form-urlencoded' }, idle, problems.wrongMediaType],
  ['an announced body over the limit', { contentLength: '101' }, idle, problems.tooLarge],
  ['one request too many', {}, { ...idle, requests: 2 }, problems.tooMany],
  ['too many bytes', {}, { ...idle, bytes: 1_000 }, problems.tooMany],
])('%s is refused', (_, change, load, problem) => {
  expect(admit({ ...head, ...change }, load, limits)).toEqual(problem);
});

test.each([
  [{}],
  [{ url: '/webhooks/voucherify?x=1' }],
  [{ contentType: undefined }],
  [{ contentType: 'Application/JSON; charset=utf-8' }],
  [{ contentType: 'application/cloudevents+json' }],
  [{ contentType: 'text/plain' }],
  [{ contentLength: undefined }],
])('%j is admitted', (change) => {
  expect(admit({ ...head, ...change }, idle, limits)).toBeUndefined();
});

test('only a right signature makes a body verified', () => {
  const body = Buffer.from('{}');
  const secrets = [{ name: 'one', key: 'k' }];
  expect(authenticate(body, undefined, secrets)).toEqual(problems.noSignature);
  expect(authenticate(body, 'x', secrets)).toEqual(problems.wrongSignature);
  expect(authenticate(body, sign(body, 'k'), secrets)).toMatchObject({ secretName: 'one' });
});

test('a problem is RFC 9457, and asks to come back where that helps', () => {
  expect(JSON.parse(problemBody(problems.tooMany))).toEqual({
    type: 'urn:voucherbus:problem:too-many-in-flight',
    title: 'Too many webhooks are waiting to be stored',
    status: 503,
  });
  const unavailable = Object.values<Problem>(problems).filter(({ status }) => status === 503);
  expect(unavailable.every((problem) => problem.headers?.['retry-after'] !== undefined)).toBe(true);
});
