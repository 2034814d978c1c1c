import { KafkaJSNonRetriableError, KafkaJSNumberOfRetriesExceeded } from 'kafkajs';
import { expect, test } from 'vitest';
import { AppError } from '../../../src/errors.ts';
import { errorOfCode } from '../../../src/kafka/cluster.ts';
import { asAppError, isRebalance, recoveryOf } from '../../../src/kafka/failure.ts';

const wrapped = (error: Error) =>
  new KafkaJSNumberOfRetriesExceeded(error, { retryCount: 5, retryTime: 1, cause: error } as never);

test.each([
  [47, 'give-up-lease'], // INVALID_PRODUCER_EPOCH
  [90, 'give-up-lease'], // PRODUCER_FENCED, not in KafkaJS's table
  [49, 'give-up-lease'], // INVALID_PRODUCER_ID_MAPPING
  [3, 'retry'], // UNKNOWN_TOPIC_OR_PARTITION
  [48, 'retry'], // INVALID_TXN_STATE: a new lease cures it
  [29, 'retry'], // TOPIC_AUTHORIZATION_FAILED: it may be granted
  [10, 'stop'], // MESSAGE_TOO_LARGE
])('error code %i is %s, also when KafkaJS has wrapped it', (code, recovery) => {
  expect(recoveryOf(errorOfCode(code))).toBe(recovery);
  expect(recoveryOf(wrapped(errorOfCode(code)))).toBe(recovery);
});

test('an error of the network is retriable', () => {
  expect(recoveryOf(new KafkaJSNonRetriableError('Connection error: connect ECONNREFUSED'))).toBe(
    'retry',
  );
  expect(
    recoveryOf(Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })),
  ).toBe('retry');
});

test('our own mistakes stop the process', () => {
  expect(recoveryOf(new TypeError('x is undefined'))).toBe('stop');
  expect(recoveryOf('text')).toBe('stop');
});

test.each([27, 25, 22])('code %i tells that the group has changed', (code) => {
  expect(isRebalance(errorOfCode(code))).toBe(true);
  expect(isRebalance(errorOfCode(3))).toBe(false);
});

test('an error says what was tried, and one of ours stays as it is', () => {
  expect(asAppError(errorOfCode(3), 'write to raw').message).toMatch(/^cannot write to raw: /);
  const ours = new AppError('FENCED', 'give-up-lease', 'gone');
  expect(asAppError(ours, 'anything')).toBe(ours);
});

test('an error of ours keeps its recovery, however KafkaJS wraps it', () => {
  const noToken = new AppError(
    'BROKER_UNAVAILABLE',
    'retry',
    'no token',
    new TypeError('fetch failed'),
  );
  expect(recoveryOf(wrapped(noToken))).toBe('retry');
  const refused = new AppError('KAFKA_REFUSED', 'stop', 'no');
  expect(recoveryOf(wrapped(refused))).toBe('stop');
});
