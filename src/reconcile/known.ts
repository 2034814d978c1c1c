/**
 * The publications that reached us since a time, by the journal and raw. It can be brought up to
 * date again and again, and holds some 100 bytes per publication.
 */

import { Decoder } from '../avro/decoder.ts';
import type { JournalRecord, RawWebhook } from '../avro/records.ts';
import { schemas } from '../avro/schemas.ts';
import { digestOf } from '../digest.ts';
import { DigestSet } from '../journal/digest-set.ts';
import { reconcileRunHeader } from '../topics/backfill-headers.ts';
import type { Deployment } from '../topics/deployment.ts';
import { type Publication, publicationOf } from '../voucherify/publication.ts';
import { joinKey, type UnitMs } from './census.ts';
import { KeyCounts } from './key-counts.ts';

/** `in-flight`: on raw, and no processor has decided on it. */
export type Status =
  | { readonly kind: 'present' | 'in-flight' }
  | { readonly kind: 'parked'; readonly reason: string };

/** Limits a fetch: the records of one are garbage together, and the process should stay small. */
const maxBytes = 512 * 1024;

type OnProgress = (text: string) => void;

export class KnownPublications {
  readonly #deployment: Deployment;
  readonly #sinceMs: number;
  readonly #unitMs: UnitMs;
  readonly #raw: Decoder<RawWebhook>;
  readonly #journal: Decoder<JournalRecord>;
  /** By topic and partition: the next offset to read. */
  readonly #next = new Map<string, number>();
  readonly #forwarded = new DigestSet();
  /** By reason: the publications that became dead letters. */
  readonly #parked = new Map<string, DigestSet>();
  readonly #onRaw = new DigestSet();
  readonly #keys = new KeyCounts();
  /** By reason: the keys of publications that were parked when raw was read. */
  readonly #parkedKeys = new Map<string, KeyCounts>();
  readonly #waitingKeys = new KeyCounts();
  #backfilled = 0;
  readonly #runId: string;

  constructor(
    deployment: Deployment,
    { sinceMs, unitMs, runId }: { sinceMs: number; unitMs: UnitMs; runId: string },
  ) {
    this.#deployment = deployment;
    this.#sinceMs = sinceMs;
    this.#unitMs = unitMs;
    this.#runId = runId;
    this.#raw = new Decoder(schemas.RawWebhook.type, deployment.registry);
    this.#journal = new Decoder(schemas.JournalRecord.type, deployment.registry);
  }

  /** Records on raw that this run wrote. */
  get backfilled(): number {
    return this.#backfilled;
  }

  /** Reads what has been added to the journal and to raw. @throws AppError */
  async catchUp(onProgress: OnProgress): Promise<void> {
    const { catalog, partitions } = this.#deployment;
    for (const topic of [catalog.journal, catalog.raw]) {
      for (let partition = 0; partition < partitions; partition += 1) {
        await this.#read(topic, partition, onProgress);
      }
    }
  }

  /** Returns undefined if the publication has never reached us since then. */
  statusOf(publicationId: string): Status | undefined {
    const digest = digestOf(publicationId);
    if (this.#forwarded.has(digest)) return { kind: 'present' };
    for (const [reason, digests] of this.#parked) {
      if (digests.has(digest)) return { kind: 'parked', reason };
    }
    return this.#onRaw.has(digest) ? { kind: 'in-flight' } : undefined;
  }

  /**
   * Returns the status of the `nth` row (from 1) with this key; undefined if fewer publications
   * with it have reached us.
   */
  statusOfKey(key: string, nth: number): Status | undefined {
    if (nth > this.#keys.countOf(key)) return undefined;
    for (const [reason, keys] of this.#parkedKeys) {
      if (nth <= keys.countOf(key)) return { kind: 'parked', reason };
    }
    return { kind: nth <= this.#waitingKeys.countOf(key) ? 'in-flight' : 'present' };
  }

  async #read(topic: string, partition: number, onProgress: OnProgress): Promise<void> {
    const { reader, catalog } = this.#deployment;
    const isRaw = topic === catalog.raw;
    const place = `${topic}/${partition}`;
    const known = this.#next.get(place);
    const to = await reader.offsetOf(topic, partition, isRaw ? 'high-watermark' : 'end');
    const from = known ?? (await reader.offsetOf(topic, partition, { atMs: this.#sinceMs }));
    for await (const record of reader.records({ topic, partition, from, to, maxBytes })) {
      if (isRaw) await this.#addRaw(record);
      else await this.#addJournal(record.value);
      onProgress(`${place}: ${record.offset + 1 - from} of ${to - from} records`);
    }
    this.#next.set(place, Math.max(from, to));
  }

  async #addJournal(value: Buffer | null): Promise<void> {
    const result = await this.#journal.decodeOne(value);
    if (result.kind === 'undecodable') return;
    const { entries, labels } = result.value;
    for (const { digest, outcome, label } of entries) {
      if (outcome === 'FORWARDED') this.#forwarded.add(digest);
      if (outcome !== 'DEAD_LETTERED') continue;
      const reason = labels[label] ?? 'unknown';
      const digests = this.#parked.get(reason) ?? new DigestSet();
      digests.add(digest);
      this.#parked.set(reason, digests);
    }
  }

  async #addRaw(record: { value: Buffer | null; header(name: string): string | undefined }) {
    const result = await this.#raw.decodeOne(record.value);
    if (result.kind === 'undecodable') return;
    const publication = publicationOf(result.value.body);
    if (publication === undefined) return;
    if (record.header(reconcileRunHeader) === this.#runId) this.#backfilled += 1;
    const digest = digestOf(publication.id);
    if (this.#onRaw.has(digest)) return;
    this.#onRaw.add(digest);
    const status = this.statusOf(publication.id);
    for (const key of keysOf(publication, this.#unitMs)) {
      this.#keys.add(key);
      if (status?.kind === 'in-flight') this.#waitingKeys.add(key);
      if (status?.kind !== 'parked') continue;
      const keys = this.#parkedKeys.get(status.reason) ?? new KeyCounts();
      keys.add(key);
      this.#parkedKeys.set(status.reason, keys);
    }
  }
}

function keysOf({ vouchers, customer, createdAtMs }: Publication, unitMs: UnitMs) {
  const codes = new Set(vouchers.map(({ code }) => code));
  // A row of several vouchers may name none.
  if (codes.size > 1) codes.add('');
  return [...codes].map((code) => joinKey(code, customer?.id ?? null, createdAtMs, unitMs));
}
