/** Reads the batches of one partition of the journal, each fetch decoded at once. */

import type { Decoder } from '../avro/decoder.ts';
import type { JournalRecord } from '../avro/records.ts';
import type { Reader } from '../kafka/log-reader.ts';
import type { ReadRecord } from '../kafka/protocol/record-batch-reader.ts';

export type ReadJournalOptions = {
  readonly reader: Reader;
  readonly decoder: Decoder<JournalRecord>;
  readonly journal: string;
  readonly partition: number;
  readonly from: number;
  /** Exclusive. */
  readonly to: number;
  /** Called for each record in order; a record that cannot be decoded comes as the decoder's failure. */
  readonly visit: (batch: ReturnType<Decoder<JournalRecord>['decode']>, offset: number) => void;
  /** Awaited after each fetch, with the offset that is read next. */
  readonly onFetch?: (next: number) => Promise<void>;
};

export async function readJournalRecords(options: ReadJournalOptions): Promise<void> {
  const { reader, decoder, journal, partition, from, to, visit, onFetch } = options;
  let fetched: ReadRecord[] = [];
  await reader.read({
    topic: journal,
    partition,
    from,
    to,
    visit: (record) => fetched.push(record),
    onFetch: async (next) => {
      await decoder.prepare(fetched.map(({ value }) => value));
      for (const { value, offset } of fetched) visit(decoder.decode(value), offset);
      fetched = [];
      await onFetch?.(next);
    },
  });
}
