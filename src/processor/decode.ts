/**
 * Decodes raw records: Avro, then JSON, then the publication. Everything that can be wrong with a
 * record is a value here.
 */

import type { Decoder, Undecodable } from '../avro/decoder.ts';
import type { Origin, RawWebhook } from '../avro/records.ts';
import type { DeadLetter } from '../dead-letters/letter.ts';
import { type Redrive, redriveOf } from '../dead-letters/redrive.ts';
import { digestOf, noDigest } from '../digest.ts';
import type { InputRecord } from '../kafka/group.ts';
import { allowStaleHeader } from '../topics/backfill-headers.ts';
import { type Publication, type Rejection, readPublication } from '../voucherify/publication.ts';
import { readWebhook } from '../voucherify/webhook.ts';

export type DecodedRecord = {
  /** Raw offset. */
  readonly offset: number;
  /** Kafka's timestamp, in milliseconds since 1970. */
  readonly timestampMs: number;
  /**
   * When the bridge received it, by the bridge's clock; Kafka's timestamp if the record cannot be
   * read.
   */
  readonly receivedAtMs: number;
  /** Digest of the publication id; without one, of the record's key. */
  readonly digest: Buffer;
  readonly source: string;
  readonly origin: Origin;
  readonly asOfMs: number | null;
  /** An operator lets it pass although it is older than the window. */
  readonly isStaleAllowed: boolean;
  /** Set if it is a dead letter that was redriven. */
  readonly redrive: Redrive | undefined;
  readonly content:
    | Publication
    | { readonly kind: 'other-event'; readonly eventType: string }
    | { readonly kind: 'broken'; readonly letter: DeadLetter };
};

/** ECMAScript's last Date. */
const lastDateMs = 8.64e15;

/** @param decoder knows the record's schema: `prepare` was called before */
export function decodeRecord(record: InputRecord, decoder: Decoder<RawWebhook>): DecodedRecord {
  const result = decoder.decode(record.value);
  const offset = Number(record.offset);
  const timestampMs = Number(record.timestamp);
  const redrive = redriveOf((name) => record.header(name));
  const isStaleAllowed =
    redrive?.isStaleAllowed === true || record.header(allowStaleHeader) === 'true';
  const digestOfKey = () => (record.key ? digestOf(record.key) : noDigest);
  if (result.kind === 'undecodable') {
    const content = broken('decode', result, '$');
    const digest = digestOfKey();
    const receivedAtMs = timestampMs;
    const unknown = { source: '', origin: 'UNKNOWN', asOfMs: null } as const;
    return {
      offset,
      timestampMs,
      receivedAtMs,
      digest,
      ...unknown,
      isStaleAllowed,
      redrive,
      content,
    };
  }
  const { receivedAt, source, body, origin, asOf: asOfMs } = result.value;
  // Other writers of raw may have written any long. A value outside ECMAScript's range counts as
  // the nearest date.
  const receivedAtMs = Math.min(Math.max(receivedAt, 0), lastDateMs);
  const content = contentOf(body);
  const digest = content.kind === 'publication' ? digestOf(content.id) : digestOfKey();
  return {
    offset,
    timestampMs,
    receivedAtMs,
    digest,
    source,
    origin,
    asOfMs,
    isStaleAllowed,
    redrive,
    content,
  };
}

function contentOf(body: Buffer): DecodedRecord['content'] {
  const webhook = readWebhook(body);
  switch (webhook.kind) {
    case 'other-event':
      return webhook;
    case 'unreadable':
      return broken('read', webhook, '$');
    case 'publication': {
      const publication = readPublication(webhook);
      return publication.kind === 'rejection'
        ? broken('read', publication, publication.path)
        : publication;
    }
  }
}

type Fault = {
  readonly reason: (Undecodable | Rejection)['reason'] | 'invalid-json' | 'unknown-shape';
  readonly message: string;
};

function broken(
  stage: DeadLetter['stage'],
  { reason, message }: Fault,
  path: string,
): DecodedRecord['content'] {
  return { kind: 'broken', letter: { stage, reason, path, message } };
}
