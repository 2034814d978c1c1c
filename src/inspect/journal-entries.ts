/** Finds what the journal says about one digest. */

import { Decoder } from '../avro/decoder.ts';
import type { JournalRecord, Outcome } from '../avro/records.ts';
import { schemas } from '../avro/schemas.ts';
import type { ReadRecord } from '../kafka/protocol/record-batch-reader.ts';
import type { Deployment } from '../topics/deployment.ts';

export type OnProgress = (text: string) => void;

export type FoundEntry = {
  /** Raw offset. */
  readonly offset: number;
  readonly outcome: Outcome;
  /** When the processor decided, in milliseconds since 1970. */
  readonly atMs: number;
  readonly routesVersion: string;
  readonly label: string | undefined;
};

/** @throws AppError */
export async function findEntries(
  { reader, catalog, registry }: Deployment,
  partition: number,
  digest: Buffer,
  onProgress: OnProgress,
) {
  const range = await reader.rangeOf(catalog.journal, partition, 'start', 'end');
  const decoder = new Decoder<JournalRecord>(schemas.JournalRecord.type, registry);
  const decode = async (record: ReadRecord | undefined) => {
    const result = record && (await decoder.decodeOne(record.value));
    return result?.kind === 'decoded' ? result.value : undefined;
  };
  const entries: FoundEntry[] = [];
  let first: ReadRecord | undefined;
  let last: ReadRecord | undefined;
  for await (const record of reader.records(range)) {
    first ??= record;
    last = record;
    const read = record.offset + 1 - range.from;
    onProgress(`journal of partition ${partition}: ${read} of ${range.to - range.from} records`);
    // A digest is stored as its 16 bytes, so a record without them need not be decoded.
    if (!record.value?.includes(digest)) continue;
    const journalRecord = await decode(record);
    if (journalRecord) entries.push(...entriesOf(journalRecord, digest));
  }
  const position = (await decode(last))?.to;
  return { entries, position, fromMs: (await decode(first))?.processedAt };
}

function entriesOf(record: JournalRecord, digest: Buffer): readonly FoundEntry[] {
  const { from, processedAt: atMs, routesVersion, labels } = record;
  return record.entries
    .filter((entry) => entry.digest.equals(digest))
    .map(({ offset, outcome, label }) => {
      return { offset: from + offset, outcome, atMs, routesVersion, label: labels[label] };
    });
}
