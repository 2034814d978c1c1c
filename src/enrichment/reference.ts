/** The company's own data on campaigns, in memory: the latest record of each key of the reference topic. */

import type { Decoder } from '../avro/decoder.ts';
import type { CampaignReference, ReferenceRecord } from '../avro/records.ts';
import { type Reader, rangeOf } from '../kafka/log-reader.ts';
import type { ReadRecord } from '../kafka/protocol/record-batch-reader.ts';

export type ReferenceEntry = { readonly reference: CampaignReference; readonly version: string };

export class CampaignReferences {
  readonly #reader: Reader;
  readonly #decoder: Decoder<CampaignReference>;
  readonly #topic: string;
  readonly #entries = new Map<string, ReferenceEntry>();
  /** Where each partition is read from next. */
  readonly #next: number[];

  constructor(
    reader: Reader,
    decoder: Decoder<CampaignReference>,
    { topic, partitions }: { readonly topic: string; readonly partitions: number },
  ) {
    this.#reader = reader;
    this.#decoder = decoder;
    this.#topic = topic;
    this.#next = Array.from({ length: partitions }, () => 0);
  }

  get entries(): ReadonlyMap<string, ReferenceEntry> {
    return this.#entries;
  }

  of(campaignId: string): ReferenceRecord | undefined {
    const entry = this.#entries.get(campaignId);
    return entry && { version: entry.version, attributes: entry.reference.attributes };
  }

  /** Reads on to the end of every partition. @throws AppError; what was read by then counts */
  async catchUp(): Promise<void> {
    await Promise.all(this.#next.map((_, partition) => this.#read(partition)));
  }

  async #read(partition: number): Promise<void> {
    const whole = await rangeOf(this.#reader, this.#topic, partition, 'start', 'end');
    const from = Math.max(whole.from, this.#next[partition] ?? 0);
    let records: ReadRecord[] = [];
    await this.#reader.read({
      ...whole,
      from,
      visit: (record) => records.push(record),
      onFetch: async (next) => {
        await this.#decoder.prepare(records.map(({ value }) => value));
        for (const record of records) this.#apply(record, partition);
        records = [];
        this.#next[partition] = next;
      },
    });
  }

  /** What is no CampaignReference does not count: somebody else's mistake must not stop the events. */
  #apply({ key, value, offset }: ReadRecord, partition: number): void {
    const campaignId = key?.toString() ?? '';
    if (value === null) {
      this.#entries.delete(campaignId);
      return;
    }
    const reference = this.#decoder.decode(value);
    if (!('kind' in reference)) {
      this.#entries.set(campaignId, { reference, version: `${partition}@${offset}` });
    }
  }
}
