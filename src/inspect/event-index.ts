/**
 * Finds events by any id, and lists dead letters, without reading topics for each question: it
 * reads raw, the journal and the dead letters once, follows them, and remembers what is where.
 */

import { Decoder } from '../avro/decoder.ts';
import type { JournalRecord, RawWebhook } from '../avro/records.ts';
import { schemas } from '../avro/schemas.ts';
import { digestOf } from '../digest.ts';
import type { LogReader } from '../kafka/log-reader.ts';
import { hashOf, partitionOf } from '../kafka/protocol/murmur2.ts';
import type { ReadRecord } from '../kafka/protocol/record-batch-reader.ts';
import type { Deployment } from '../topics/deployment.ts';
import { byPartition, firstPartitions } from './by-partition.ts';
import type { Letter, LetterSummary } from './dead-letters.ts';
import { idsIn } from './find-keys.ts';
import { IdTable, type Place } from './id-table.ts';
import { LetterIndex } from './letter-index.ts';
import { type FollowedTopic, LogFollower } from './log-follower.ts';
import { type Decisions, decisionsIn, type TraceLookup } from './trace-lookup.ts';

export type FoundWebhook = Place & {
  /** The raw key: for most events the publication id. */
  readonly key: string;
  readonly receivedAtMs: number;
  readonly eventType: string | null;
};

export type Coverage = {
  /** Records that were read, and all that there are. */
  readonly read: number;
  readonly total: number;
  /** Whether every record was read that was there at the start. */
  readonly isBuilt: boolean;
  /** Webhooks from before may be missing; undefined if all of raw is in the index. */
  readonly fromMs: number | undefined;
};

/** The journal of a partition begins at `fromMs`; its last record ends at `position` on raw. */
type JournalEnds = { readonly fromMs: number; readonly position: number };

/** An event has one digest in the journal, and about seven ids. */
const journalShare = 1 / 6;
/** So many candidates are read to find the newest webhooks of an id. */
const candidatesAtMost = 200;

export class EventIndex implements TraceLookup {
  readonly #deployment: Deployment;
  readonly #follower: LogFollower;
  readonly #webhooks: IdTable;
  readonly #decisions: IdTable;
  readonly #rawDecoder: Decoder<RawWebhook>;
  readonly #journalDecoder: Decoder<JournalRecord>;
  readonly #journals = new Map<number, JournalEnds>();
  readonly #letters = new LetterIndex();
  #deadLettersId: string | undefined;

  /**
   * @param reader follows the topics
   * @param maxBytes of memory for the ids
   */
  constructor(deployment: Deployment, reader: LogReader, maxBytes: number) {
    const { registry, catalog, partitions } = deployment;
    this.#deployment = deployment;
    this.#webhooks = new IdTable(maxBytes * (1 - journalShare));
    this.#decisions = new IdTable(maxBytes * journalShare);
    this.#rawDecoder = new Decoder(schemas.RawWebhook.type, registry);
    this.#journalDecoder = new Decoder(schemas.JournalRecord.type, registry);
    const topic = (name: string, add: FollowedTopic['add']) => {
      return { name, add, isToHighWatermark: name === catalog.raw };
    };
    const topics = [
      topic(catalog.raw, (record, partition) => this.#addWebhook(record, partition)),
      topic(catalog.journal, (record, partition) => this.#addDecisions(record, partition)),
      topic(catalog.deadLetters, (record, partition) => this.#addLetter(record, partition)),
    ];
    this.#follower = new LogFollower(reader, topics, partitions);
  }

  /** Follows the topics until it is stopped. */
  follow(signal: AbortSignal, onFailure: (error: unknown) => void): Promise<void> {
    return this.#follower.follow(signal, onFailure);
  }

  coverage(): Coverage {
    const { hasReadAll: isBuilt } = this.#follower;
    const { forgottenUntilMs: fromMs } = this.#webhooks;
    return { ...this.#follower.progress(), isBuilt, fromMs };
  }

  /** Whether `decisionsOf` and `waitingOf` know all that the topics hold. */
  get isComplete(): boolean {
    const tables = [this.#webhooks, this.#decisions];
    const isWhole = tables.every(({ forgottenUntilMs }) => forgottenUntilMs === undefined);
    return isWhole && this.#follower.hasReadAll;
  }

  /** Returns the newest webhooks that name an id, one for each raw key. @throws AppError */
  async find(id: string, count: number): Promise<readonly FoundWebhook[]> {
    if (this.#follower.hasReadAll) await this.#follower.catchUp();
    const { raw } = this.#deployment.catalog;
    const places = this.#webhooks.find(hashOf(id)).take(candidatesAtMost).toArray();
    const found = new Map<string, FoundWebhook>();
    for (let from = 0; from < places.length && found.size < count; from += count) {
      const some = places.slice(from, from + count);
      for (const { place, record } of await this.#recordsAt(raw, some)) {
        const result = await this.#rawDecoder.decodeOne(record.value);
        const key = record.key?.toString() ?? '';
        if (result.kind !== 'decoded' || found.has(key)) continue;
        const { receivedAt: receivedAtMs, eventType } = result.value;
        if (!idsIn(result.value, key).includes(id)) continue;
        found.set(key, { ...place, key, receivedAtMs, eventType });
      }
    }
    return [...found.values()].slice(0, count).sort((a, b) => b.receivedAtMs - a.receivedAtMs);
  }

  /** Returns the dead letters in any order; undefined before all were read. @throws AppError */
  async letters(): Promise<readonly LetterSummary[] | undefined> {
    if (!this.#follower.hasReadAll) return undefined;
    await this.#follower.catchUp();
    const { catalog, partitions } = this.#deployment;
    const starts = await this.#startsOf(catalog.deadLetters, firstPartitions(partitions));
    return this.#letters.all(starts);
  }

  /**
   * Returns one dead letter with its record; undefined before all were read, and if there is none.
   * @throws AppError
   */
  async letterAt(place: Place): Promise<Letter | undefined> {
    if (!this.#follower.hasReadAll) return undefined;
    await this.#follower.catchUp();
    const letter = this.#letters.at(place);
    if (letter === undefined) return undefined;
    const [found] = await this.#recordsAt(this.#deployment.catalog.deadLetters, [place]);
    return found && { ...letter, record: found.record };
  }

  async decisionsOf(key: string): Promise<Decisions> {
    await this.#follower.catchUp();
    const { catalog, partitions } = this.#deployment;
    const partition = partitionOf(key, partitions);
    const digest = digestOf(key);
    const places = placesIn(this.#decisions, hashOfDigest(digest), partition);
    const entries = [];
    for (const { record } of await this.#recordsAt(catalog.journal, places)) {
      const result = await this.#journalDecoder.decodeOne(record.value);
      if (result.kind === 'decoded') entries.push(...decisionsIn(result.value, digest));
    }
    return { entries, ...this.#journals.get(partition) };
  }

  async waitingOf(key: string, from: number): Promise<readonly ReadRecord[]> {
    const { catalog, partitions } = this.#deployment;
    const places = placesIn(this.#webhooks, hashOf(key), partitionOf(key, partitions));
    const later = places.filter(({ offset }) => offset >= from);
    const records = (await this.#recordsAt(catalog.raw, later)).map(({ record }) => record);
    return records.filter((record) => record.key?.toString() === key);
  }

  /** Returns the records that retention has not deleted. */
  async #recordsAt(topic: string, places: readonly Place[]) {
    const { reader } = this.#deployment;
    const partitions = [...new Set(places.map(({ partition }) => partition))];
    const starts = await this.#startsOf(topic, partitions);
    const kept = places.filter(({ partition, offset }) => offset >= (starts.get(partition) ?? 0));
    const read = kept.map(async (place) => {
      return { place, record: await reader.recordAt({ topic, ...place }) };
    });
    return (await Promise.all(read)).flatMap(({ place, record }) =>
      record ? [{ place, record }] : [],
    );
  }

  #startsOf(topic: string, partitions: readonly number[]): Promise<ReadonlyMap<number, number>> {
    const { reader } = this.#deployment;
    return byPartition(partitions, (partition) => reader.offsetOf(topic, partition, 'start'));
  }

  async #addWebhook({ key, value, offset, timestampMs }: ReadRecord, partition: number) {
    const result = await this.#rawDecoder.decodeOne(value);
    const text = key?.toString() ?? '';
    const ids = result.kind === 'decoded' ? idsIn(result.value, text) : [text];
    for (const id of ids) this.#webhooks.add(hashOf(id), { partition, offset }, timestampMs);
  }

  async #addDecisions({ value, offset, timestampMs }: ReadRecord, partition: number) {
    const result = await this.#journalDecoder.decodeOne(value);
    if (result.kind === 'undecodable') return;
    const { entries, to: position, processedAt } = result.value;
    const fromMs = this.#journals.get(partition)?.fromMs ?? processedAt;
    this.#journals.set(partition, { fromMs, position });
    for (const { digest, outcome } of entries) {
      this.#decisions.add(hashOfDigest(digest), { partition, offset }, timestampMs);
      if (outcome === 'REDRIVEN') this.#letters.addRedrive(digest);
    }
  }

  async #addLetter(record: ReadRecord, partition: number) {
    const { admin, catalog } = this.#deployment;
    const topic = catalog.deadLetters;
    this.#deadLettersId ??= (await admin.identify([topic])).get(topic)?.id ?? '';
    const position = { topic, partition, offset: record.offset };
    this.#letters.add(record, position, this.#deadLettersId);
  }
}

/** Returns the places in one partition in the order of the log. */
function placesIn(table: IdTable, hash: number, partition: number): readonly Place[] {
  const offsets = new Set<number>();
  for (const one of table.find(hash)) if (one.partition === partition) offsets.add(one.offset);
  return [...offsets].sort((a, b) => a - b).map((offset) => ({ partition, offset }));
}

/** SHA-256 is evenly distributed: any of its bits are a good hash. */
const hashOfDigest = (digest: Buffer) => digest.readInt32LE(0);
