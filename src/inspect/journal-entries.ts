/** What the journal says of one digest. */

import { createDecoder } from '../avro/decoder.ts';
import type { JournalRecord, Outcome } from '../avro/records.ts';
import { schemas } from '../avro/schemas.ts';
import { rangeOf } from '../kafka/log-reader.ts';
import type { ReadRecord } from '../kafka/protocol/record-batch-reader.ts';
import type { Deployment } from '../topics/deployment.ts';

export type OnProgress = (text: string) => void;

export type FoundEntry = {
  /** On raw. */
  readonly offset: number;
  readonly outcome: Outcome;
  readonly atMs: number;
  readonly routesVersion: string;
  readonly label: string | undefined;
};

export async function readJournal(
  { reader, catalog, registry }: Deployment,
  partition: number,
  digest: Buffer,
  onProgress: OnProgress,
) {
  const range = await rangeOf(reader, catalog.journal, partition, 'start', 'end');
  const decoder = createDecoder<JournalRecord>(schemas.JournalRecord.type, registry);
  const matching: ReadRecord[] = [];
  let first: ReadRecord | undefined;
  let last: ReadRecord | undefined;
  await reader.read({
    ...range,
    visit: (record) => {
      first ??= record;
      last = record;
      // A digest is 16 bytes as they are: what does not hold them need not be decoded.
      if (record.value?.includes(digest)) matching.push(record);
    },
    onFetch: async (next) =>
      onProgress(
        `journal of partition ${partition}: ${next - range.from} of ${range.to - range.from} records`,
      ),
  });
  await decoder.prepare([...matching, first, last].map((record) => record?.value ?? null));
  const decoded = (record: ReadRecord | undefined) => {
    const batch = decoder.decode(record?.value ?? null);
    return 'kind' in batch ? undefined : batch;
  };
  const entries = matching.flatMap((record): FoundEntry[] => {
    const batch = decoded(record);
    if (!batch) return [];
    const { from: base, processedAt: atMs, routesVersion, labels } = batch;
    return batch.entries
      .filter((entry) => entry.digest.equals(digest))
      .map(({ offset, outcome, label }) => {
        return { offset: base + offset, outcome, atMs, routesVersion, label: labels[label] };
      });
  });
  return { entries, position: decoded(last)?.to, fromMs: decoded(first)?.processedAt };
}
