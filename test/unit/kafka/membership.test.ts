import { expect, test } from 'vitest';
import { decodeMembership, encodeMembership } from '../../../src/kafka/membership.ts';

test('what a member says of itself comes back', () => {
  const membership = { owned: [0, 5, 11], life: { port: 9464, name: 'a-name' } };
  expect(decodeMembership(encodeMembership(membership))).toEqual(membership);
  const alone = { owned: [], life: undefined };
  expect(decodeMembership(encodeMembership(alone))).toEqual(alone);
});

test.each([
  ['nothing', undefined],
  ['no bytes', Buffer.alloc(0)],
  ['the partitions as an earlier version wrote them', Buffer.from(Int32Array.of(0, 1, 2).buffer)],
  ['null', Buffer.from('null')],
  ['a number', Buffer.from('7')],
  ['other fields', Buffer.from('{"owned":"all","life":{"port":"x"}}')],
  ['parts of the wrong kind', Buffer.from('{"owned":["a",1.5,null],"life":null}')],
])('%s is taken for a member that says nothing', (_, bytes) => {
  expect(decodeMembership(bytes)).toEqual({ owned: [], life: undefined });
});
