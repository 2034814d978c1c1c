/** Reads and filters the dead letters. */

import { Decoder } from '../avro/decoder.ts';
import type { JournalRecord, RawWebhook } from '../avro/records.ts';
import { schemas } from '../avro/schemas.ts';
import { originOf } from '../dead-letters/letter.ts';
import {
  digestOfRedrive,
  letterName,
  type Redrive,
  redriveLabel,
  redriveOf,
} from '../dead-letters/redrive.ts';
import type { ReadRecord } from '../kafka/protocol/record-batch-reader.ts';
import { formatPosition, type RecordPosition } from '../kafka/record-position.ts';
import type { Deployment } from '../topics/deployment.ts';
import type { OnProgress } from './trace-lookup.ts';

export type Letter = {
  readonly position: RecordPosition;
  /**
   * The name under which the processor remembers that it was redriven (dead-letters/redrive.ts).
   */
  readonly name: string;
  readonly reason: string;
  readonly stage: string;
  /** JSON path in the webhook's body. */
  readonly path: string;
  readonly message: string;
  readonly failedAtMs: number;
  /** Version of the routes in force; empty in letters that lack its header. */
  readonly routesVersion: string;
  /** The raw record that was parked. */
  readonly origin: RecordPosition;
  readonly key: string | undefined;
  /** The redrive before this failure, if there was one. */
  readonly redrive: Redrive | undefined;
  /** Whether it was redriven, and a processor has decided on it. */
  readonly isRedriven: boolean;
  readonly record: ReadRecord;
};

/** A letter without what it contains. */
export type LetterSummary = Omit<Letter, 'record'>;

/** A filter that is undefined lets every letter through. */
export type Filter = {
  readonly reason: string | undefined;
  readonly sourceTopic: string | undefined;
  readonly sinceMs: number;
  readonly untilMs: number;
  readonly partition: number | undefined;
  /** Offsets of the dead-letter topic, both inclusive. */
  readonly offsets: { readonly from: number; readonly to: number } | undefined;
  /** A publication id, or another raw key. */
  readonly key: string | undefined;
};

/**
 * Yields the letters that pass the filter, partition by partition and in order.
 * @throws AppError
 */
export async function* readLetters(
  deployment: Deployment,
  filter: Filter,
  onProgress: OnProgress,
): AsyncGenerator<Letter> {
  const { reader, admin, catalog, partitions } = deployment;
  const topic = catalog.deadLetters;
  const topicId = (await admin.identify([topic])).get(topic)?.id ?? '';
  const all = Array.from({ length: partitions }, (_, partition) => partition);
  for (const partition of filter.partition === undefined ? all : [filter.partition]) {
    const redriven = await redrivenIn(deployment, partition);
    const since = { atMs: filter.sinceMs };
    const whole = await reader.rangeOf(topic, partition, since, 'end');
    const from = Math.max(whole.from, filter.offsets?.from ?? 0);
    const to = Math.min(whole.to, (filter.offsets?.to ?? whole.to) + 1);
    for await (const record of reader.records({ topic, partition, from, to })) {
      const read = record.offset + 1 - from;
      onProgress(`dead letters of partition ${partition}: ${read} of ${to - from}`);
      const position = { topic, partition, offset: record.offset };
      const given = letterOf(record, position, topicId);
      const letter = { ...given, isRedriven: redriven.has(redriveDigestOf(given)) };
      if (passes(letter, filter)) yield letter;
    }
  }
}

/** @param topicId of the dead-letter topic */
export function letterOf(
  record: ReadRecord,
  position: RecordPosition,
  topicId: string,
): Omit<Letter, 'isRedriven'> {
  const name = letterName(formatPosition(position), topicId);
  const error = (field: string) => record.header(`voucherbus.error.${field}`) ?? '';
  const header = (name: string) => record.header(name);
  return {
    position,
    name,
    reason: error('reason'),
    stage: error('stage'),
    path: error('path'),
    message: header('__streams.errors.message') ?? '',
    failedAtMs: Date.parse(error('failed-at')),
    routesVersion: error('routes'),
    origin: originOf(header),
    key: record.key?.toString(),
    redrive: redriveOf(header),
    record,
  };
}

/**
 * Returns the body in a record of raw or of the dead letters, or in parentheses why there is none.
 * @param shown returns it as text
 * @throws AppError
 */
export async function bodyOf(
  { registry }: Pick<Deployment, 'registry'>,
  { value }: Pick<ReadRecord, 'value'>,
  shown: (body: Buffer) => string,
): Promise<string> {
  const raw = await new Decoder<RawWebhook>(schemas.RawWebhook.type, registry).decodeOne(value);
  return raw.kind === 'decoded' ? shown(raw.value.body) : `(${raw.message})`;
}

/** Returns the digest (hex) under which the journal has the redrive of a letter. */
export function redriveDigestOf({ name }: Pick<Letter, 'name'>): string {
  return digestOfRedrive(name).toString('hex');
}

function passes(letter: Letter, filter: Filter): boolean {
  return (
    (filter.reason === undefined || filter.reason === letter.reason) &&
    (filter.sourceTopic === undefined || filter.sourceTopic === letter.origin.topic) &&
    (filter.key === undefined || filter.key === letter.key) &&
    letter.failedAtMs >= filter.sinceMs &&
    letter.failedAtMs <= filter.untilMs
  );
}

/**
 * Returns the digests (hex) of the letters that were redriven, by the journal. A letter goes back
 * to the partition that it came from.
 */
async function redrivenIn(
  { reader, registry, catalog }: Deployment,
  partition: number,
): Promise<ReadonlySet<string>> {
  const range = await reader.rangeOf(catalog.journal, partition, 'start', 'end');
  const decoder = new Decoder<JournalRecord>(schemas.JournalRecord.type, registry);
  const redriven = new Set<string>();
  for await (const { value } of reader.records(range)) {
    // Labels are text, so a record without this one need not be decoded.
    if (!value?.includes(redriveLabel)) continue;
    const result = await decoder.decodeOne(value);
    const entries = result.kind === 'decoded' ? result.value.entries : [];
    for (const { outcome, digest } of entries) {
      if (outcome === 'REDRIVEN') redriven.add(digest.toString('hex'));
    }
  }
  return redriven;
}
