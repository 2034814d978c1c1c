import { networkInterfaces } from 'node:os';
import { expect, test } from 'vitest';
import { decodeMembership, encodeMembership } from '../../../src/kafka/member-metadata.ts';
import { advertisedAddress } from '../../../src/membership/advertised-address.ts';

test('what a member says of itself comes back', () => {
  const identity = { host: '10.0.0.1', port: 9464, hostname: 'a-pod', name: 'a-name' };
  const membership = { owned: [0, 5, 11], identity };
  expect(decodeMembership(encodeMembership(membership))).toEqual(membership);
  const alone = { owned: [], identity: undefined };
  expect(decodeMembership(encodeMembership(alone))).toEqual(alone);
});

test.each([
  ['nothing', undefined],
  ['no bytes', Buffer.alloc(0)],
  ['the partitions as an earlier version wrote them', Buffer.from(Int32Array.of(0, 1, 2).buffer)],
  ['null', Buffer.from('null')],
  ['a number', Buffer.from('7')],
  [
    'a place without a name',
    Buffer.from('{"owned":"all","identity":{"host":"a","port":1,"hostname":"b"}}'),
  ],
  ['parts of the wrong kind', Buffer.from('{"owned":["a",1.5,null],"identity":null}')],
])('%s is taken for a member that says nothing', (_, bytes) => {
  expect(decodeMembership(bytes)).toEqual({ owned: [], identity: undefined });
});

test.each([
  ['127.0.0.1:9092', '127.0.0.1'],
  ['localhost:9092', expect.stringMatching(/^(127\.0\.0\.1|::1)$/)],
])('on the way to %s our own address is %s', async (broker, address) => {
  expect(await advertisedAddress([broker])).toEqual(address);
});

test('one reachable broker is enough; none is an error that names them', async () => {
  expect(await advertisedAddress(['nowhere.invalid:9092', '127.0.0.1:9092'])).toBe('127.0.0.1');
  await expect(advertisedAddress(['nowhere.invalid:9092'])).rejects.toThrow('nowhere.invalid:9092');
});

const hasIPv6 = Object.values(networkInterfaces()).some((list) =>
  list?.some(({ address }) => address === '::1'),
);
test.runIf(hasIPv6)('a broker may be an IPv6 address', async () => {
  expect(await advertisedAddress(['[::1]:9092'])).toBe('::1');
});
