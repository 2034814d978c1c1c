/** Why a record could not go on, and how its dead letter says so. The record's key, value and headers stay as they were. */

import type { Undecodable } from '../avro/decoder.ts';
import type { Rejection } from '../voucherify/publication.ts';

type DeadLetterReason =
  | Undecodable['reason']
  | Rejection['reason']
  | 'invalid-json'
  | 'unknown-shape'
  | 'older-than-window'
  | 'no-route'
  | 'too-large-for-topic';

export type DeadLetter = {
  /** Where in the processor it failed: reading the Avro record, reading Voucherify's JSON, or deciding. */
  readonly stage: 'decode' | 'read' | 'decide';
  readonly reason: DeadLetterReason;
  /** JSON path in the webhook's body, or $ for the whole. */
  readonly path: string;
  /** What was expected and what kind of thing was found; never the body's content, which may be personal data. */
  readonly message: string;
};

export type Origin = {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
};

/** The six headers of Kafka Streams' dead letters (KIP-1034), which tools know, and ours. */
export function deadLetterHeaders(
  letter: DeadLetter,
  origin: Origin,
  failedAtMs: number,
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
  };
}
