/** The dead letters, as an operator asks for them. */

import { createDecoder } from '../avro/decoder.ts';
import type { JournalRecord } from '../avro/records.ts';
import { schemas } from '../avro/schemas.ts';
import {
  digestOfRedrive,
  letterName,
  type Redrive,
  redriveLabel,
  redriveOf,
} from '../dead-letters/redrive.ts';
import { rangeOf } from '../kafka/log-reader.ts';
import type { ReadRecord } from '../kafka/protocol/record-batch-reader.ts';
import { formatPosition, type RecordPosition } from '../kafka/record-position.ts';
import type { Deployment } from '../topics/deployment.ts';
import type { OnProgress } from './journal-entries.ts';

export type Letter = {
  readonly position: RecordPosition;
  /** The name under which the processor remembers that it was sent back (dead-letters/redrive.ts). */
  readonly name: string;
  readonly reason: string;
  readonly stage: string;
  /** JSON path in the webhook's body. */
  readonly path: string;
  readonly message: string;
  readonly failedAtMs: number;
  /** The raw record it was. */
  readonly origin: RecordPosition;
  readonly key: string | undefined;
  /** Where it had been sent back before it died again. */
  readonly redrive: Redrive | undefined;
  /** It was sent back, and a processor has decided on it. */
  readonly isRedriven: boolean;
  readonly record: ReadRecord;
};

/** What is undefined does not matter. */
export type Filter = {
  readonly reason: string | undefined;
  readonly sourceTopic: string | undefined;
  readonly sinceMs: number;
  readonly untilMs: number;
  readonly partition: number | undefined;
  /** Of the dead-letter topic, both inclusive. */
  readonly offsets: { readonly from: number; readonly to: number } | undefined;
  /** A publication id, or another raw key. */
  readonly key: string | undefined;
};

/** Visits, partition by partition and in order, every letter that the filter lets through. @throws AppError */
export async function visitLetters(
  deployment: Deployment,
  filter: Filter,
  onProgress: OnProgress,
  visit: (letter: Letter) => void,
): Promise<void> {
  const { reader, admin, catalog, partitions } = deployment;
  const topic = catalog.deadLetters;
  const topicId = (await admin.identify([topic])).get(topic)?.id ?? '';
  const all = Array.from({ length: partitions }, (_, partition) => partition);
  for (const partition of filter.partition === undefined ? all : [filter.partition]) {
    const redriven = await redrivenIn(deployment, partition);
    const whole = await rangeOf(reader, topic, partition, { atMs: filter.sinceMs }, 'end');
    const from = Math.max(whole.from, filter.offsets?.from ?? 0);
    const to = Math.min(whole.to, (filter.offsets?.to ?? whole.to) + 1);
    await reader.read({
      topic,
      partition,
      from,
      to,
      visit: (record) => {
        const position = { topic, partition, offset: record.offset };
        const letter = letterOf(
          record,
          position,
          letterName(formatPosition(position), topicId),
          redriven,
        );
        if (passes(letter, filter)) visit(letter);
      },
      onFetch: async (next) =>
        onProgress(`dead letters of partition ${partition}: ${next - from} of ${to - from}`),
    });
  }
}

function letterOf(
  record: ReadRecord,
  position: RecordPosition,
  name: string,
  redriven: ReadonlySet<string>,
): Letter {
  const error = (name: string) => record.header(`voucherbus.error.${name}`) ?? '';
  const origin = (name: string) => record.header(`__streams.errors.${name}`) ?? '';
  return {
    position,
    name,
    reason: error('reason'),
    stage: error('stage'),
    path: error('path'),
    message: origin('message'),
    failedAtMs: Date.parse(error('failed-at')),
    origin: {
      topic: origin('topic'),
      partition: Number(origin('partition')),
      offset: Number(origin('offset')),
    },
    key: record.key?.toString(),
    redrive: redriveOf((name) => record.header(name)),
    isRedriven: redriven.has(digestOfRedrive(name).toString('hex')),
    record,
  };
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

/** The digests, in hex, of the letters that the journal says were sent back. Letters go back to the partition that they came from. */
async function redrivenIn(
  { reader, registry, catalog }: Deployment,
  partition: number,
): Promise<ReadonlySet<string>> {
  const whole = await rangeOf(reader, catalog.journal, partition, 'start', 'end');
  const values: (Buffer | null)[] = [];
  const visit = ({ value }: ReadRecord) => {
    // Labels are text: most records need not be decoded.
    if (value?.includes(redriveLabel)) values.push(value);
  };
  await reader.read({ ...whole, visit });
  const decoder = createDecoder<JournalRecord>(schemas.JournalRecord.type, registry);
  await decoder.prepare(values);
  const digests = values.flatMap((value) => {
    const batch = decoder.decode(value);
    if ('kind' in batch) return [];
    return batch.entries
      .filter(({ outcome }) => outcome === 'REDRIVEN')
      .map(({ digest }) => digest.toString('hex'));
  });
  return new Set(digests);
}
