/** What a KafkaJS error means for whoever holds a lease or waits at start: retriable, fenced or fatal. */

import { AppError, messageOf, type Recovery } from '../errors.ts';

type KafkaError = Error & {
  readonly type?: string;
  readonly code?: number | string;
  readonly retriable?: boolean;
};

/** The group no longer counts us as a member, or is changing: KafkaJS must see these errors untouched, or it keeps consuming as a zombie. */
const rebalanceTypes = new Set([
  'REBALANCE_IN_PROGRESS',
  'UNKNOWN_MEMBER_ID',
  'ILLEGAL_GENERATION',
]);

/** Another producer has taken the transactional id. */
const fencedTypes = new Set([
  'INVALID_PRODUCER_EPOCH',
  'PRODUCER_FENCED',
  'INVALID_PRODUCER_ID_MAPPING',
]);
/** PRODUCER_FENCED is not in KafkaJS's table: its number stands in the message only. */
const producerFenced = /error code 90\b/;

const tooLargeTypes = new Set(['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE']);

/** No repetition helps: an operator must grant, enlarge or repair something. */
const fatalTypes = new Set([
  'TOPIC_AUTHORIZATION_FAILED',
  'GROUP_AUTHORIZATION_FAILED',
  'CLUSTER_AUTHORIZATION_FAILED',
  'TRANSACTIONAL_ID_AUTHORIZATION_FAILED',
  'SASL_AUTHENTICATION_FAILED',
  'UNSUPPORTED_SASL_MECHANISM',
  'INVALID_TRANSACTION_TIMEOUT',
  ...tooLargeTypes,
]);

/** The protocol's own error below KafkaJS's wrappings (retries exceeded, non-retriable). */
function rootOf(error: unknown): KafkaError | undefined {
  let root = error instanceof Error ? (error as KafkaError) : undefined;
  while (root && root.type === undefined && root.cause instanceof Error) {
    root = root.cause as KafkaError;
  }
  return root;
}

export function isRebalance(error: unknown): boolean {
  return rebalanceTypes.has(rootOf(error)?.type ?? '');
}

/** A topic refused a record batch for its size. */
export function isTooLarge(error: unknown): boolean {
  return tooLargeTypes.has(rootOf(error)?.type ?? '');
}

/** Returns the AppError that KafkaJS has wrapped, if any (for example of a token endpoint that does not respond). */
function ownIn(error: unknown): AppError | undefined {
  for (let one = error; one instanceof Error; one = one.cause) {
    if (one instanceof AppError) return one;
  }
  return undefined;
}

/** INVALID_RECORD is not in KafkaJS's table. */
const invalidRecord = /error code 87\b/;

/** Kafka refuses the timestamp: the clock of this host is too far from the broker's. */
export function isTimestampRefused(error: unknown): boolean {
  return rootOf(error)?.type === 'INVALID_TIMESTAMP';
}

/** Returns whether Kafka would refuse the same write again. One bad record is enough for a whole batch. */
export function isRefusedForGood(error: unknown): boolean {
  const root = rootOf(error);
  return isTooLarge(error) || isTimestampRefused(error) || invalidRecord.test(root?.message ?? '');
}

export function recoveryOf(error: unknown): Recovery {
  const own = ownIn(error);
  if (own) return own.recovery;
  const root = rootOf(error);
  if (root === undefined) return 'stop';
  if (fencedTypes.has(root.type ?? '') || producerFenced.test(root.message)) return 'give-up-lease';
  if (fatalTypes.has(root.type ?? '') || root.name === 'KafkaJSSASLAuthenticationError') {
    return 'stop';
  }
  // A TypeError and its like is our own mistake; everything else of KafkaJS may pass.
  return root.name.startsWith('KafkaJS') || typeof root.code === 'string' ? 'retry' : 'stop';
}

/** The same error as ours: what was tried, and the fact. */
export function asAppError(error: unknown, tried: string): AppError {
  if (error instanceof AppError) return error;
  const recovery = recoveryOf(error);
  const code =
    recovery === 'give-up-lease'
      ? 'FENCED'
      : recovery === 'stop'
        ? 'KAFKA_REFUSED'
        : 'BROKER_UNAVAILABLE';
  return new AppError(code, recovery, `cannot ${tried}: ${messageOf(error)}`, error);
}
