/** Raw records → what they carry. Everything that can be wrong with one is a value here. */

import type { Decoder, Undecodable } from '../avro/decoder.ts';
import type { RawWebhook } from '../avro/records.ts';
import type { DeadLetter } from '../dead-letters/letter.ts';
import { type Redrive, redriveOf } from '../dead-letters/redrive.ts';
import { digestOf, noDigest } from '../digest.ts';
import type { InputRecord } from '../kafka/group.ts';
import { type Publication, type Rejection, readPublication } from '../voucherify/publication.ts';
import { readWebhook } from '../voucherify/webhook.ts';

export type Decoded = {
  readonly offset: number;
  /** Kafka's. */
  readonly timestampMs: number;
  /** When the bridge received it, by its clock; Kafka's timestamp where the record can not be read. */
  readonly receivedAtMs: number;
  /** Of the publication id, else of the record's key. */
  readonly digest: Buffer;
  readonly source: string;
  /** Where it is a dead letter that was sent back. */
  readonly redrive: Redrive | undefined;
  readonly content:
    | Publication
    | { readonly kind: 'other-event'; readonly eventType: string }
    | { readonly kind: 'broken'; readonly letter: DeadLetter };
};

/** ECMAScript's last Date. */
const lastDateMs = 8.64e15;

/** `decoder.prepare` must have seen the values. */
export function decodeRecord(record: InputRecord, decoder: Decoder<RawWebhook>): Decoded {
  const raw = decoder.decode(record.value);
  const offset = Number(record.offset);
  const timestampMs = Number(record.timestamp);
  const redrive = redriveOf((name) => record.header(name));
  const digestOfKey = () => (record.key ? digestOf(record.key) : noDigest);
  if ('kind' in raw) {
    const receivedAtMs = timestampMs;
    const content = broken('decode', raw);
    return {
      offset,
      timestampMs,
      receivedAtMs,
      digest: digestOfKey(),
      source: '',
      redrive,
      content,
    };
  }
  const { receivedAt, source } = raw;
  // Whoever writes to raw may write any long there; what no Date can be counts as the nearest one.
  const receivedAtMs = Math.min(Math.max(receivedAt, 0), lastDateMs);
  const content = contentOf(raw);
  const digest = content.kind === 'publication' ? digestOf(content.id) : digestOfKey();
  return { offset, timestampMs, receivedAtMs, digest, source, redrive, content };
}

function contentOf({ body }: RawWebhook): Decoded['content'] {
  const webhook = readWebhook(body);
  switch (webhook.kind) {
    case 'other-event':
      return webhook;
    case 'unreadable':
      return broken('read', { ...webhook, path: '$' });
    case 'publication': {
      const publication = readPublication(webhook);
      return publication.kind === 'rejection' ? broken('read', publication) : publication;
    }
  }
}

type Fault =
  | Undecodable
  | Rejection
  | {
      readonly reason: 'invalid-json' | 'unknown-shape';
      readonly path: string;
      readonly message: string;
    };

function broken(stage: DeadLetter['stage'], fault: Fault): Decoded['content'] {
  const path = 'path' in fault ? fault.path : '$';
  return { kind: 'broken', letter: { stage, reason: fault.reason, path, message: fault.message } };
}
