import { KafkaJSNonRetriableError, KafkaJSNumberOfRetriesExceeded } from 'kafkajs';
import { expect, test } from 'vitest';
import { AppError } from '../../../src/errors.ts';
import { errorOfCode } from '../../../src/kafka/cluster.ts';
import { asAppError, factOf, isRebalance } from '../../../src/kafka/failure.ts';

const wrapped = (error: Error) =>
  new KafkaJSNumberOfRetriesExceeded(error, { retryCount: 5, retryTime: 1, cause: error } as never);

test.each([
  [47, 'fenced'], // INVALID_PRODUCER_EPOCH
  [90, 'fenced'], // PRODUCER_FENCED, not in KafkaJS's table
  [49, 'fenced'], // INVALID_PRODUCER_ID_MAPPING
  [3, 'retriable'], // UNKNOWN_TOPIC_OR_PARTITION
  [48, 'retriable'], // INVALID_TXN_STATE: a new lease cures it
  [29, 'fatal'], // TOPIC_AUTHORIZATION_FAILED
  [10, 'fatal'], // MESSAGE_TOO_LARGE
])('error code %i is %s, also when KafkaJS has wrapped it', (code, fact) => {
  expect(factOf(errorOfCode(code))).toBe(fact);
  expect(factOf(wrapped(errorOfCode(code)))).toBe(fact);
});

test('an error of the network may pass', () => {
  expect(factOf(new KafkaJSNonRetriableError('Connection error: connect ECONNREFUSED'))).toBe(
    'retriable',
  );
  expect(factOf(Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' }))).toBe(
    'retriable',
  );
});

test('our own mistakes are fatal', () => {
  expect(factOf(new TypeError('x is undefined'))).toBe('fatal');
  expect(factOf('text')).toBe('fatal');
});

test.each([27, 25, 22])('code %i tells that the group has changed', (code) => {
  expect(isRebalance(errorOfCode(code))).toBe(true);
  expect(isRebalance(errorOfCode(3))).toBe(false);
});

test('an error says what was tried, and one of ours stays as it is', () => {
  expect(asAppError(errorOfCode(3), 'write to raw').message).toMatch(/^can not write to raw: /);
  const ours = new AppError('FENCED', 'fenced', 'gone');
  expect(asAppError(ours, 'anything')).toBe(ours);
});

test('an error of ours keeps its fact, however KafkaJS wraps it', () => {
  const noToken = new AppError(
    'BROKER_UNAVAILABLE',
    'retriable',
    'no token',
    new TypeError('fetch failed'),
  );
  expect(factOf(wrapped(noToken))).toBe('retriable');
  const refused = new AppError('KAFKA_REFUSED', 'fatal', 'no');
  expect(factOf(wrapped(refused))).toBe('fatal');
});
