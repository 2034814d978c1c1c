/**
 * A dead letter: why a record could not be processed, and the headers that say so. The record's
 * key, value and headers stay unchanged.
 */

import type { Undecodable } from '../avro/decoder.ts';
import type { RecordPosition } from '../kafka/record-position.ts';
import type { Rejection } from '../voucherify/publication.ts';

type DeadLetterReason =
  | Undecodable['reason']
  | Rejection['reason']
  | 'invalid-json'
  | 'unknown-shape'
  | 'older-than-window'
  | 'no-route'
  | 'too-large-for-topic';

const listed: Readonly<Record<DeadLetterReason, true>> = {
  'null-value': true,
  'not-avro': true,
  'unknown-schema': true,
  'unexpected-schema': true,
  'invalid-json': true,
  'unknown-shape': true,
  'no-publication-id': true,
  'invalid-publication': true,
  'older-than-window': true,
  'no-route': true,
  'too-large-for-topic': true,
};

export const deadLetterReasons = Object.keys(listed);

export type DeadLetter = {
  /** The stage that failed: reading the Avro record, reading Voucherify's JSON, or deciding. */
  readonly stage: 'decode' | 'read' | 'decide';
  readonly reason: DeadLetterReason;
  /** JSON path in the webhook's body; $ for the whole body. */
  readonly path: string;
  /**
   * Says what was expected and what kind of value was found. Never contains the body's content,
   * which may be personal data.
   */
  readonly message: string;
};

export type Failure = {
  readonly origin: RecordPosition;
  readonly failedAtMs: number;
  /** The routes in force. */
  readonly routesVersion: string;
};

/**
 * Returns the six headers of Kafka Streams' dead letters (KIP-1034), which tools know, and ours.
 */
export function deadLetterHeaders(
  letter: DeadLetter,
  { origin, failedAtMs, routesVersion }: Failure,
): Record<string, string> {
  return {
    '__streams.errors.exception': `voucherbus.${letter.reason}`,
    '__streams.errors.message': letter.message,
    '__streams.errors.stacktrace': `at ${letter.path} (stage ${letter.stage})`,
    '__streams.errors.topic': origin.topic,
    '__streams.errors.partition': String(origin.partition),
    '__streams.errors.offset': String(origin.offset),
    'voucherbus.error.stage': letter.stage,
    'voucherbus.error.reason': letter.reason,
    'voucherbus.error.path': letter.path,
    'voucherbus.error.failed-at': new Date(failedAtMs).toISOString(),
    'voucherbus.error.routes': routesVersion,
  };
}

/** Returns the position of the raw record that became a dead letter, from the letter's headers. */
export function originOf(header: (name: string) => string | undefined): RecordPosition {
  return {
    topic: header('__streams.errors.topic') ?? '',
    partition: Number(header('__streams.errors.partition') ?? ''),
    offset: Number(header('__streams.errors.offset') ?? ''),
  };
}
