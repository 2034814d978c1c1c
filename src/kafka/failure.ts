/** Classifies KafkaJS's errors by their recovery: retry, give up the lease, or stop. */

import { AppError, messageOf, type Recovery } from '../errors.ts';
import { type Access, denialOf, isDenial } from './permissions.ts';

type KafkaError = Error & {
  readonly type?: string;
  readonly code?: number | string;
  readonly retriable?: boolean;
  readonly errors?: readonly unknown[];
};

/**
 * Returns whether the group no longer counts us as a member, or is changing. KafkaJS must see these
 * errors unchanged, or it keeps consuming as a zombie.
 */
const rebalanceTypes = new Set([
  'REBALANCE_IN_PROGRESS',
  'UNKNOWN_MEMBER_ID',
  'ILLEGAL_GENERATION',
]);

/** The error types if another producer has taken the transactional id. */
const fencedTypes = new Set([
  'INVALID_PRODUCER_EPOCH',
  'PRODUCER_FENCED',
  'INVALID_PRODUCER_ID_MAPPING',
]);
/** PRODUCER_FENCED is not in KafkaJS's table: only the message contains its number. */
const producerFenced = /error code 90\b/;

const tooLargeTypes = new Set(['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE']);

/** The error types that no retry resolves: an operator must enlarge or repair something. */
const fatalTypes = new Set([
  'SASL_AUTHENTICATION_FAILED',
  'UNSUPPORTED_SASL_MECHANISM',
  'INVALID_TRANSACTION_TIMEOUT',
  ...tooLargeTypes,
]);

/** Returns the protocol's error below KafkaJS's wrappers (retries exceeded, non-retriable). */
function rootOf(error: unknown): KafkaError | undefined {
  let root = error instanceof Error ? (error as KafkaError) : undefined;
  while (root && root.type === undefined) {
    // The request to create topics fails with a list.
    const inner: unknown = root.cause ?? root.errors?.[0];
    if (!(inner instanceof Error)) break;
    root = inner as KafkaError;
  }
  return root;
}

export function isRebalance(error: unknown): boolean {
  return rebalanceTypes.has(rootOf(error)?.type ?? '');
}

/** Returns whether Kafka refused the request because an ACL is missing. */
export function isDenied(error: unknown): boolean {
  return ownIn(error)?.code === 'PERMISSION_MISSING' || isDenial(rootOf(error)?.type);
}

/** Returns whether a topic refused a record batch because of its size. */
export function isTooLarge(error: unknown): boolean {
  return tooLargeTypes.has(rootOf(error)?.type ?? '');
}

/**
 * Returns the AppError that KafkaJS has wrapped, if any (for example of a token endpoint that does
 * not respond).
 */
function ownIn(error: unknown): AppError | undefined {
  for (let one = error; one instanceof Error; one = one.cause) {
    if (one instanceof AppError) return one;
  }
  return undefined;
}

/** INVALID_RECORD is not in KafkaJS's table. */
const invalidRecord = /error code 87\b/;

/**
 * Returns whether Kafka refused the timestamp: the clock of this host is too far from the broker's.
 */
export function isTimestampRefused(error: unknown): boolean {
  return rootOf(error)?.type === 'INVALID_TIMESTAMP';
}

/**
 * Returns whether Kafka would refuse the same write again. One bad record is enough for a whole
 * batch.
 */
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
  if (isDenial(root.type)) return 'retry';
  // A TypeError is our own mistake. Every other error of KafkaJS may pass.
  return root.name.startsWith('KafkaJS') || typeof root.code === 'string' ? 'retry' : 'stop';
}

/**
 * Returns the error as an AppError with what was tried and its recovery.
 * @param access what the request needs, so that a missing permission is named
 */
export function asAppError(error: unknown, tried: string, access?: Access): AppError {
  if (error instanceof AppError) return error;
  const { type } = rootOf(error) ?? {};
  if (access && isDenial(type)) return denialOf(type, access, error);
  const recovery = recoveryOf(error);
  const code =
    recovery === 'give-up-lease'
      ? 'FENCED'
      : recovery === 'stop'
        ? 'KAFKA_REFUSED'
        : 'BROKER_UNAVAILABLE';
  return new AppError(code, recovery, `cannot ${tried}: ${messageOf(error)}`, error);
}
