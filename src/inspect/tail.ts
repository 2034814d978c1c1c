/** Follows a topic of the deployment: its newest records, decoded and without personal data. */

import { Decoder } from '../avro/decoder.ts';
import { schemaIdOf } from '../avro/encoder.ts';
import type { JournalRecord, PublicationSucceeded, RawWebhook } from '../avro/records.ts';
import { schemas } from '../avro/schemas.ts';
import type { ReadRecord } from '../kafka/protocol/record-batch-reader.ts';
import type { RecordPosition } from '../kafka/record-position.ts';
import { type CatalogTopic, subjectOf } from '../topics/catalog.ts';
import type { Deployment } from '../topics/deployment.ts';
import { byPartition, firstPartitions } from './by-partition.ts';
import { maskedBody, maskedEvent, maskValues } from './mask.ts';

export type TailRecord = RecordPosition & {
  /** Milliseconds since 1970. */
  readonly timestampMs: number;
  readonly key: string;
  /** The registry's id of the value's schema; undefined if it is not Avro. */
  readonly schemaId: number | undefined;
  /** Its version in the topic's subject; undefined if it is not known. */
  readonly schemaVersion: number | undefined;
  readonly headers: Readonly<Record<string, string>>;
  /** The value for people. */
  readonly text: string;
};

/** By partition: the next offset to read. */
export type Cursor = ReadonlyMap<number, number>;

/** The most records of one partition in one read. */
const recordsAtOnce = 100;

export class Tail {
  readonly #deployment: Deployment;
  readonly #topic: CatalogTopic;
  readonly #render: (value: Buffer | null) => Promise<string>;

  constructor(deployment: Deployment, topic: CatalogTopic) {
    this.#deployment = deployment;
    this.#topic = topic;
    this.#render = rendererOf(deployment, topic);
  }

  /** Returns the place before the last `count` records of each partition. @throws AppError */
  async before(count: number): Promise<Cursor> {
    return this.#each(async (partition) => {
      const { from, to } = await this.#rangeOf(partition);
      return Math.max(from, to - count);
    });
  }

  /**
   * Returns records after the cursor, in the order of their timestamps, and the cursor after them.
   * Records of open transactions are not visible yet.
   * @throws AppError
   */
  async after(cursor: Cursor): Promise<{ readonly records: TailRecord[]; readonly next: Cursor }> {
    const records: TailRecord[] = [];
    const next = await this.#each(async (partition) => {
      const range = await this.#rangeOf(partition);
      const from = Math.max(range.from, cursor.get(partition) ?? range.to);
      let position = from;
      let read = 0;
      if (from >= range.to) return from;
      for await (const record of this.#deployment.reader.records({ ...range, from })) {
        records.push(await this.#show(record, partition));
        position = record.offset + 1;
        read += 1;
        if (read === recordsAtOnce) return position;
      }
      // Behind the last record there may be markers of transactions.
      return Math.max(position, range.to);
    });
    records.sort((a, b) => a.timestampMs - b.timestampMs);
    return { records, next };
  }

  /** Returns a record; undefined if there is none, or its transaction is open. @throws AppError */
  async at(partition: number, offset: number): Promise<TailRecord | undefined> {
    if (partition >= this.#partitions) return undefined;
    const { from, to } = await this.#rangeOf(partition);
    if (offset < from || offset >= to) return undefined;
    const position = { topic: this.#topic.name, partition, offset };
    const record = await this.#deployment.reader.recordAt(position);
    return record && this.#show(record, partition);
  }

  get #partitions(): number {
    return Math.min(this.#topic.partitions, this.#deployment.partitions);
  }

  /** The records can be shown without it: the registry may be unreachable. */
  #versionOf(schemaId: number): Promise<number | undefined> {
    const { registry } = this.#deployment;
    return registry.versionOf(subjectOf(this.#topic.name), schemaId).catch(() => undefined);
  }

  #each(run: (partition: number) => Promise<number>): Promise<Cursor> {
    return byPartition(firstPartitions(this.#partitions), run);
  }

  #rangeOf(partition: number) {
    return this.#deployment.reader.rangeOf(this.#topic.name, partition, 'start', 'end');
  }

  async #show(record: ReadRecord, partition: number): Promise<TailRecord> {
    const { offset, timestampMs, key, value } = record;
    const schemaId = value === null ? undefined : schemaIdOf(value);
    const headers = record.headers.map(([name, one]) => [name, String(one)] as const);
    return {
      ...{ topic: this.#topic.name, partition, offset, timestampMs },
      key: key?.toString() ?? '',
      schemaId,
      schemaVersion: schemaId === undefined ? undefined : await this.#versionOf(schemaId),
      headers: maskValues(Object.fromEntries(headers)),
      text: await this.#render(value),
    };
  }
}

/** Returns a function that decodes and masks the values of a topic. */
function rendererOf({ registry }: Deployment, { role, schema }: CatalogTopic) {
  const decoder = new Decoder(schemas[schema ?? 'RawWebhook'].type, registry);
  return async (value: Buffer | null): Promise<string> => {
    if (value === null) return '(null: removes the key)';
    const result = await decoder.decodeOne(value);
    if (result.kind === 'undecodable') return `(${result.message})`;
    switch (role) {
      case 'raw':
      case 'dead-letters':
        return maskedBody((result.value as RawWebhook).body);
      case 'publications':
        return json(maskedEvent(result.value as PublicationSucceeded));
      case 'journal':
        return json(summaryOf(result.value as JournalRecord));
      case 'reference':
        return json(maskValues(result.value));
      case 'reconcile':
        // The list that Voucherify gave has customers in it.
        return json({ ...(result.value as object), publications: undefined });
    }
  };
}

const json = (value: unknown) => JSON.stringify(value, null, 2);

function summaryOf({ from, to, processedAt, routesVersion, entries, labels }: JournalRecord) {
  const outcomes = Map.groupBy(entries, ({ outcome }) => outcome);
  const counts = Object.fromEntries([...outcomes].map(([outcome, of]) => [outcome, of.length]));
  return { from, to, processedAt, routesVersion, labels, outcomes: counts };
}
