import { expect, test } from 'vitest';
import { decodeResponse, encodeRequest } from '../../../src/kafka/topic-metadata.ts';

const hex = (...parts: string[]) => Buffer.from(parts.join('').replaceAll(' ', ''), 'hex');
const text = (value: string) =>
  `${(value.length + 1).toString(16).padStart(2, '0')}${Buffer.from(value).toString('hex')}`;
const id = '00112233445566778899aabbccddeeff';

const topic = (name: string, error: string, partitions: number, operations: string, topicId = id) =>
  [
    error,
    text(name),
    topicId,
    '00',
    (partitions + 1).toString(16).padStart(2, '0'),
    // Error, number, leader, leader epoch, one replica, in sync, none offline, no tags.
    ...Array.from(
      { length: partitions },
      (_, i) =>
        `0000 ${i.toString(16).padStart(8, '0')} 00000001 00000000 02 00000001 02 00000001 01 00`,
    ),
    operations,
    '00',
  ].join('');
const response = (...topics: string[]) =>
  hex(
    '00 00000000', // tags of the header, throttle
    `02 00000001 ${text('kafka').replaceAll(' ', '')} 00002384 00 00`, // one broker, without a rack
    `${text('cluster')} 00000001`,
    (topics.length + 1).toString(16).padStart(2, '0'),
    ...topics,
    '00',
  );

test('the request names topics, makes none, and asks what this client may do', () => {
  const request = encodeRequest(['raw', 'out'], 4).subarray(4);
  const none = '00'.repeat(16);
  const expected = hex(`00 03 ${none} ${text('raw')} 00 ${none} ${text('out')} 00 00 01 00`);
  expect(request).toEqual(expected);
});

test('a topic has its id, its partitions and what is allowed; one that does not exist is left out', () => {
  const { found, hidden } = decodeResponse(
    response(
      topic('raw', '0000', 3, '00000010'),
      topic('gone', '0003', 0, '80000000'),
      topic('secret', '001d', 0, '80000000'),
    ),
  );
  expect(hidden).toEqual(['secret']);
  expect([...found]).toEqual([
    [
      'raw',
      {
        id: Buffer.from(id, 'hex').toString('base64url'),
        partitions: 3,
        leaderless: [],
        replicationFactor: 1,
        allowed: new Set(['WRITE']),
      },
    ],
  ]);
});

test('another error is thrown, and a broker without topic ids is refused', () => {
  expect(() => decodeResponse(response(topic('raw', '0005', 0, '80000000')))).toThrow();
  const without = topic('raw', '0000', 1, '00000010', '00'.repeat(16));
  expect(() => decodeResponse(response(without))).toThrow('expected Kafka 2.8 or newer');
});
