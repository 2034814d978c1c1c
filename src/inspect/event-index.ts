/**
 * Finds events by any id without reading their topics: it reads raw and the journal once, follows
 * them, and remembers in which records each id is.
 */

import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { Decoder } from '../avro/decoder.ts';
import type { JournalRecord, RawWebhook } from '../avro/records.ts';
import { schemas } from '../avro/schemas.ts';
import { digestOf } from '../digest.ts';
import type { LogReader } from '../kafka/log-reader.ts';
import { hashOf, partitionOf } from '../kafka/protocol/murmur2.ts';
import type { ReadRecord } from '../kafka/protocol/record-batch-reader.ts';
import type { Deployment } from '../topics/deployment.ts';
import { idsIn } from './find-keys.ts';
import { IdTable, type Place } from './id-table.ts';
import { type Decisions, decisionsIn, type TraceLookup } from './trace-lookup.ts';

export type FoundWebhook = Place & {
  /** The raw key: for most events the publication id. */
  readonly key: string;
  readonly receivedAtMs: number;
  readonly eventType: string | null;
};

export type Coverage = {
  /** Records that were read, and all that there are, of raw and the journal. */
  readonly read: number;
  readonly total: number;
  /** Whether every record was read that was there at the start. */
  readonly isBuilt: boolean;
  /** Webhooks from before may be missing; undefined if all of raw is in the index. */
  readonly fromMs: number | undefined;
};

/** How far one partition of a topic was read. */
type Followed = {
  readonly topic: string;
  readonly partition: number;
  readonly start: number;
  next: number;
  end: number;
};

/** What the journal of a partition begins with, and where its last record ends on raw. */
type JournalEnds = { readonly fromMs: number; position: number };

const followEveryMs = 1_000;
const fetchBytes = 1024 * 1024;
const recordsPerTurn = 100;
/** An event has one digest in the journal, and about five ids. */
const journalShare = 1 / 6;
/** So many candidates are read to find the newest webhooks of an id. */
const candidatesAtMost = 200;

export class EventIndex implements TraceLookup {
  readonly #deployment: Deployment;
  readonly #follower: LogReader;
  readonly #webhooks: IdTable;
  readonly #decisions: IdTable;
  readonly #rawDecoder: Decoder<RawWebhook>;
  readonly #journalDecoder: Decoder<JournalRecord>;
  readonly #journals = new Map<number, JournalEnds>();
  #followed: readonly Followed[] = [];
  #isBuilt = false;
  #running: Promise<void> = Promise.resolve();
  #queued: Promise<void> | undefined;

  /**
   * @param follower reads the topics: on a connection of its own, so that look-ups need not wait
   * @param maxBytes of memory for the tables
   */
  constructor(deployment: Deployment, follower: LogReader, maxBytes: number) {
    const { registry } = deployment;
    this.#deployment = deployment;
    this.#follower = follower;
    this.#webhooks = new IdTable(maxBytes * (1 - journalShare));
    this.#decisions = new IdTable(maxBytes * journalShare);
    this.#rawDecoder = new Decoder(schemas.RawWebhook.type, registry);
    this.#journalDecoder = new Decoder(schemas.JournalRecord.type, registry);
  }

  /** Follows the topics until it is stopped. @throws AppError if they are not the same any more */
  async follow(signal: AbortSignal, onFailure: (error: unknown) => void): Promise<void> {
    while (!signal.aborted) {
      await this.#catchUp().catch(onFailure);
      await sleep(followEveryMs, undefined, { signal }).catch(() => undefined);
    }
  }

  coverage(): Coverage {
    const sum = (of: (one: Followed) => number) =>
      this.#followed.reduce((total, one) => total + of(one), 0);
    const { forgottenUntilMs } = this.#webhooks;
    return {
      read: sum(({ next, start }) => next - start),
      total: sum(({ end, start }) => end - start),
      isBuilt: this.#isBuilt,
      fromMs: forgottenUntilMs,
    };
  }

  /** Whether `decisionsOf` and `waitingOf` know all that the topics hold. */
  get isComplete(): boolean {
    const tables = [this.#webhooks, this.#decisions];
    return this.#isBuilt && tables.every(({ forgottenUntilMs }) => forgottenUntilMs === undefined);
  }

  /** Returns the newest webhooks that name an id, one for each raw key. @throws AppError */
  async find(id: string, count: number): Promise<readonly FoundWebhook[]> {
    if (this.#isBuilt) await this.#catchUp();
    const { raw } = this.#deployment.catalog;
    const places = this.#webhooks.find(hashOf(id)).take(candidatesAtMost).toArray();
    const found = new Map<string, FoundWebhook>();
    for (let from = 0; from < places.length && found.size < count; from += count) {
      const some = places.slice(from, from + count);
      for (const [place, record] of await this.#recordsAt(raw, some)) {
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

  async decisionsOf(key: string): Promise<Decisions> {
    await this.#catchUp();
    const { catalog, partitions } = this.#deployment;
    const partition = partitionOf(key, partitions);
    const digest = digestOf(key);
    const places = this.#placesIn(this.#decisions, hashOfDigest(digest), partition);
    const entries = [];
    for (const [, record] of await this.#recordsAt(catalog.journal, places)) {
      const result = await this.#journalDecoder.decodeOne(record.value);
      if (result.kind === 'decoded') entries.push(...decisionsIn(result.value, digest));
    }
    return { entries, ...this.#journals.get(partition) };
  }

  async waitingOf(key: string, from: number): Promise<readonly ReadRecord[]> {
    const { catalog, partitions } = this.#deployment;
    const places = this.#placesIn(this.#webhooks, hashOf(key), partitionOf(key, partitions));
    const later = places.filter(({ offset }) => offset >= from);
    const records = (await this.#recordsAt(catalog.raw, later)).map(([, record]) => record);
    return records.filter((record) => record.key?.toString() === key);
  }

  /** Returns the places in one partition in the order of the log. */
  #placesIn(table: IdTable, hash: number, partition: number): readonly Place[] {
    const offsets = new Set<number>();
    for (const one of table.find(hash)) if (one.partition === partition) offsets.add(one.offset);
    return [...offsets].sort((a, b) => a - b).map((offset) => ({ partition, offset }));
  }

  /** Returns the records that retention has not deleted. */
  async #recordsAt(
    topic: string,
    places: readonly Place[],
  ): Promise<readonly (readonly [Place, ReadRecord])[]> {
    const { reader } = this.#deployment;
    const partitions = [...new Set(places.map(({ partition }) => partition))];
    const starts = new Map(
      await Promise.all(
        partitions.map(async (one) => [one, await reader.offsetOf(topic, one, 'start')] as const),
      ),
    );
    const all = await Promise.all(
      places.map(async (place) => {
        const isKept = place.offset >= (starts.get(place.partition) ?? 0);
        return [place, isKept ? await reader.recordAt({ topic, ...place }) : undefined] as const;
      }),
    );
    return all.flatMap(([place, record]) => (record ? [[place, record] as const] : []));
  }

  /** Returns when everything is read that is on the topics at this moment. */
  #catchUp(): Promise<void> {
    this.#queued ??= this.#running
      .catch(() => undefined)
      .then(() => {
        this.#queued = undefined;
        this.#running = this.#read();
        return this.#running;
      });
    return this.#queued;
  }

  async #read(): Promise<void> {
    const { catalog } = this.#deployment;
    const reader = this.#follower;
    if (this.#followed.length === 0) this.#followed = await this.#starts();
    const ends = await reader.ends(this.#followed);
    for (const { topic, partition, highWatermark, lastStable } of ends) {
      const one = this.#followed.find((it) => it.topic === topic && it.partition === partition);
      if (one) one.end = Math.max(one.end, topic === catalog.raw ? highWatermark : lastStable);
    }
    await this.#readAll(this.#followed.filter(({ next, end }) => next < end));
    this.#isBuilt = true;
  }

  async #starts(): Promise<readonly Followed[]> {
    const { catalog, partitions } = this.#deployment;
    const all = [catalog.raw, catalog.journal].flatMap((topic) =>
      Array.from({ length: partitions }, async (_, partition) => {
        const start = await this.#follower.offsetOf(topic, partition, 'start');
        return { topic, partition, start, next: start, end: start };
      }),
    );
    return Promise.all(all);
  }

  /** Reads all of them evenly: when a table is full, the oldest of each partition is forgotten. */
  async #readAll(behind: readonly Followed[]): Promise<void> {
    let reading = behind.map((one) => {
      const { topic, partition, next: from, end: to } = one;
      const range = { topic, partition, from, to };
      return { one, to, pages: this.#follower.pages({ ...range, maxBytes: fetchBytes }) };
    });
    while (reading.length > 0) {
      const unfinished: typeof reading = [];
      for (const each of reading) {
        const { done, value: page } = await each.pages.next();
        if (done) {
          each.one.next = each.to;
          continue;
        }
        await this.#add(each.one, page);
        unfinished.push(each);
      }
      reading = unfinished;
    }
  }

  async #add(one: Followed, page: readonly ReadRecord[]): Promise<void> {
    const isRaw = one.topic === this.#deployment.catalog.raw;
    for (const [i, record] of page.entries()) {
      if (i % recordsPerTurn === 0) await nextTurn();
      await (isRaw ? this.#addWebhook(record, one) : this.#addDecisions(record, one));
      one.next = record.offset + 1;
    }
  }

  async #addWebhook({ key, value, offset, timestampMs }: ReadRecord, { partition }: Followed) {
    await this.#rawDecoder.prepare([value]);
    const result = this.#rawDecoder.decode(value);
    const text = key?.toString() ?? '';
    const ids = result.kind === 'decoded' ? idsIn(result.value, text) : [text];
    for (const id of ids) this.#webhooks.add(hashOf(id), { partition, offset }, timestampMs);
  }

  async #addDecisions({ value, offset, timestampMs }: ReadRecord, { partition }: Followed) {
    await this.#journalDecoder.prepare([value]);
    const result = this.#journalDecoder.decode(value);
    if (result.kind === 'undecodable') return;
    const { entries, to: position, processedAt } = result.value;
    const fromMs = this.#journals.get(partition)?.fromMs ?? processedAt;
    this.#journals.set(partition, { fromMs, position });
    for (const { digest } of entries) {
      this.#decisions.add(hashOfDigest(digest), { partition, offset }, timestampMs);
    }
  }
}

/** SHA-256 is evenly distributed: any of its bits are a good hash. */
const hashOfDigest = (digest: Buffer) => digest.readInt32LE(0);
