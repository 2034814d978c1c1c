/** What became of a raw record: its entry in the journal, and the output record it led to. */

import { setTimeout as sleep } from 'node:timers/promises';
import { createDecoder } from '../avro/decoder.ts';
import type { JournalEntry, JournalRecord, PublicationSucceeded } from '../avro/records.ts';
import type { Registry } from '../avro/registry.ts';
import { schemas } from '../avro/schemas.ts';
import type { Reader } from '../kafka/log-reader.ts';
import type { ReadRecord } from '../kafka/protocol/record-batch-reader.ts';
import type { Catalog } from '../topics/catalog.ts';

type RecordPosition = {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
};

export type Fate = {
  readonly outcome: JournalEntry['outcome'];
  /** Output topic, reason or event type. */
  readonly label: string;
  readonly output: RecordPosition | undefined;
  readonly event: PublicationSucceeded | undefined;
};

export type Follow = (
  raw: Omit<RecordPosition, 'topic'>,
  publicationId: string | undefined,
) => Promise<Fate>;

export function createFollow(reader: Reader, registry: Registry, catalog: Catalog): Follow {
  const batches = createDecoder<JournalRecord>(schemas.JournalRecord.type, registry);
  const events = createDecoder<PublicationSucceeded>(schemas.PublicationSucceeded.type, registry);

  const readAll = async (topic: string, partition: number): Promise<readonly ReadRecord[]> => {
    const [from, to] = await Promise.all([
      reader.offsetOf(topic, partition, 'start'),
      reader.offsetOf(topic, partition, 'end'),
    ]);
    const records: ReadRecord[] = [];
    await reader.read({ topic, partition, from, to, visit: (record) => records.push(record) });
    return records;
  };

  const entryOf = async (partition: number, offset: number) => {
    const records = await readAll(catalog.journal, partition);
    await batches.prepare(records.map(({ value }) => value));
    for (const { value } of records) {
      const batch = batches.decode(value);
      if ('kind' in batch) continue;
      const entry = batch.entries.find((one) => batch.from + one.offset === offset);
      if (entry) return { outcome: entry.outcome, label: batch.labels[entry.label] ?? '' };
    }
    return undefined;
  };

  return async ({ partition, offset }, publicationId) => {
    const decision = await waitFor(() => entryOf(partition, offset));
    const isForwarded = decision.outcome === 'FORWARDED';
    const isParked = decision.outcome === 'DEAD_LETTERED';
    if (!isForwarded && !isParked) return { ...decision, output: undefined, event: undefined };
    const topic = isForwarded ? decision.label : catalog.deadLetters;
    const isWanted = ({ key, headers }: ReadRecord) =>
      isForwarded
        ? key?.toString() === publicationId
        : headers.some(
            ([name, value]) =>
              name === '__streams.errors.offset' && value?.toString() === String(offset),
          );
    // The markers of one transaction reach its partitions one after the other.
    const record = await waitFor(async () => (await readAll(topic, partition)).find(isWanted));
    await events.prepare([record.value]);
    const event = isForwarded ? events.decode(record.value) : undefined;
    return {
      ...decision,
      output: { topic, partition, offset: record.offset },
      event: event && !('kind' in event) ? event : undefined,
    };
  };
}

const giveUpAfterMs = 30_000;

async function waitFor<T>(look: () => Promise<T | undefined>): Promise<T> {
  const deadline = Date.now() + giveUpAfterMs;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (Date.now() > deadline) throw new Error(`not decided within ${giveUpAfterMs / 1_000} s`);
    await sleep(100);
  }
}
