import { expect, test } from 'vitest';
import { type Problem, problemBody, problems } from '../../../src/bridge/problems.ts';
import { admit, authenticate, senderOf } from '../../../src/bridge/request-rules.ts';
import { sendersOf } from '../../../src/config/senders.ts';
import { sign } from '../../../src/voucherify/signature.ts';

const sources = new Set(['voucherify', 'shop-2']);
const limits = {
  allowedSenders: undefined,
  trustedProxyHops: 0,
  maxBodyBytes: 100,
};
const head = {
  method: 'POST',
  url: '/webhooks/voucherify',
  contentLength: '10',
  address: '10.0.0.1',
  forwardedFor: undefined,
  signature: 'a'.repeat(64),
};

test.each([
  ['another path', { url: '/' }, problems.unknownPath],
  ['no source', { url: '/webhooks/' }, problems.unknownPath],
  ['another source', { url: '/webhooks/other' }, problems.unknownPath],
  ['a path below', { url: '/webhooks/voucherify/x' }, problems.unknownPath],
  ['no path', { url: undefined }, problems.unknownPath],
  ['GET', { method: 'GET' }, problems.wrongMethod],
  ['another host and path', { url: 'http://bus.example/other' }, problems.unknownPath],
  ['an invalid absolute target', { url: 'http://[' }, problems.unknownPath],
  ['an announced body over the limit', { contentLength: '101' }, problems.tooLarge],
])('%s is refused', (_, change, problem) => {
  expect(admit({ ...head, ...change }, limits, sources)).toMatchObject({
    kind: 'refused',
    problem,
  });
});

test.each([
  ['none', { signature: undefined }, problems.noSignature],
  ['an empty one', { signature: '' }, problems.noSignature],
  ['one that is too short', { signature: 'a'.repeat(63) }, problems.wrongSignature],
  ['one that is not hex', { signature: 'g'.repeat(64) }, problems.wrongSignature],
])('the body is not read without a well-formed signature: %s', (_, change, problem) => {
  const refused = admit({ ...head, ...change }, limits, sources);
  expect(refused).toEqual({ kind: 'refused', problem, source: 'voucherify' });
});

test.each([
  [{}],
  [{ url: '/webhooks/voucherify?x=1' }],
  [{ url: 'https://bus.example/webhooks/voucherify?x=1' }],
  [{ url: 'HTTP://bus.example:8080/webhooks/voucherify' }],
  [{ contentLength: undefined }],
])('%j is admitted', (change) => {
  expect(admit({ ...head, ...change }, limits, sources)).toEqual({
    kind: 'admitted',
    source: 'voucherify',
  });
});

test('every source has its own address', () => {
  expect(admit({ ...head, url: '/webhooks/shop-2' }, limits, sources)).toEqual({
    kind: 'admitted',
    source: 'shop-2',
  });
});

test('with ALLOWED_SENDERS, others are refused, whatever their X-Forwarded-For says', () => {
  const allowedSenders = sendersOf(['eu1', '10.0.0.0/24']);
  const from = (address: string, forwardedFor?: string, trustedProxyHops = 0) => {
    const asked = { ...head, address, forwardedFor };
    const admission = admit(asked, { ...limits, allowedSenders, trustedProxyHops }, sources);
    return admission.kind === 'admitted';
  };
  expect(from('34.247.197.22')).toBe(true);
  expect(from('::ffff:34.247.197.22')).toBe(true);
  expect(from('10.0.0.77')).toBe(true);
  expect(from('100.25.106.67')).toBe(false);
  expect(from('203.0.113.5', '34.247.197.22')).toBe(false);
  // The address of the load balancer is allowed, but the sender behind it is what counts.
  expect(from('10.0.0.1', '203.0.113.5', 1)).toBe(false);
  expect(from('10.0.0.1', '34.247.197.22', 1)).toBe(true);
  expect(from('10.0.0.1', undefined, 1)).toBe(false);
});

test.each([
  ['10.0.0.1', undefined, 0, '10.0.0.1'],
  ['10.0.0.1', '1.1.1.1', 0, '10.0.0.1'],
  ['10.0.0.1', '1.1.1.1', 1, '1.1.1.1'],
  ['10.0.0.1', '9.9.9.9, 1.1.1.1', 1, '1.1.1.1'],
  ['10.0.0.1', '9.9.9.9,1.1.1.1, 2.2.2.2', 2, '1.1.1.1'],
  ['10.0.0.1', '1.1.1.1', 2, undefined],
  ['10.0.0.1', '', 1, undefined],
  // As Azure's gateways write it.
  ['10.0.0.1', '192.0.2.1:49152', 1, '192.0.2.1'],
  ['10.0.0.1', '[2001:db8::1]:49152', 1, '2001:db8::1'],
  ['10.0.0.1', '[2001:db8::1]', 1, '2001:db8::1'],
  ['10.0.0.1', '2001:db8::1', 1, '2001:db8::1'],
  ['10.0.0.1', '::ffff:192.0.2.1', 1, '192.0.2.1'],
])(
  '%s, forwarded for %s, behind %i proxies: %s',
  (address, forwardedFor, trustedProxyHops, sender) => {
    expect(senderOf({ address, forwardedFor }, { trustedProxyHops })).toBe(sender);
  },
);

test('a body is verified by a correct signature only', () => {
  const body = Buffer.from('{}');
  const secrets = [{ name: 'one', key: 'k' }];
  expect(authenticate(body, undefined, secrets)).toEqual(problems.noSignature);
  expect(authenticate(body, 'x', secrets)).toEqual(problems.wrongSignature);
  expect(authenticate(body, sign(body, 'k'), secrets)).toMatchObject({
    verified: { secretName: 'one' },
  });
});

test('a problem has the form of RFC 9457, and asks for a retry where that helps', () => {
  expect(JSON.parse(problemBody(problems.tooMany))).toEqual({
    type: 'urn:voucherbus:problem:too-many-in-flight',
    title: 'Too many webhooks are waiting to be stored',
    status: 503,
  });
  const unavailable = Object.values<Problem>(problems).filter(({ status }) => status === 503);
  expect(unavailable.every((problem) => problem.headers?.['retry-after'] !== undefined)).toBe(true);
});
