/**
 * The company's own data on campaigns, in memory: the latest record of each key of the reference
 * topic.
 */

import type { Decoder } from '../avro/decoder.ts';
import type { CampaignReference, ReferenceRecord } from '../avro/records.ts';
import type { LogReader } from '../kafka/log-reader.ts';

export type ReferenceEntry = { readonly reference: CampaignReference; readonly version: string };

export class CampaignReferences {
  readonly #reader: LogReader;
  readonly #decoder: Decoder<CampaignReference>;
  readonly #topic: string;
  readonly #entries = new Map<string, ReferenceEntry>();
  /** The offset to read next, by partition. */
  readonly #next: number[];

  constructor(
    reader: LogReader,
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

  /**
   * Reads on to the end of every partition.
   * @throws AppError; what was read before the error counts
   */
  async catchUp(): Promise<void> {
    await Promise.all(this.#next.map((_, partition) => this.#read(partition)));
  }

  async #read(partition: number): Promise<void> {
    const whole = await this.#reader.rangeOf(this.#topic, partition, 'start', 'end');
    const from = Math.max(whole.from, this.#next[partition] ?? 0);
    const records = this.#reader.records({ ...whole, from });
    for await (const { record, result } of this.#decoder.decodeEach(records)) {
      const campaignId = record.key?.toString() ?? '';
      if (record.value === null) this.#entries.delete(campaignId);
      // Anything but a CampaignReference is ignored: another team's mistake must not stop the
      // events.
      else if (result.kind === 'decoded') {
        const version = `${partition}@${record.offset}`;
        this.#entries.set(campaignId, { reference: result.value, version });
      }
      this.#next[partition] = record.offset + 1;
    }
    this.#next[partition] = Math.max(this.#next[partition] ?? 0, whole.to);
  }
}
