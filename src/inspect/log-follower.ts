/** Reads topics from their start, and follows them: each record once, while nothing fails. */

import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { AppError } from '../errors.ts';
import type { LogReader } from '../kafka/log-reader.ts';
import type { ReadRecord } from '../kafka/protocol/record-batch-reader.ts';

export type FollowedTopic = {
  readonly name: string;
  /** Whether records of open transactions count: those of a topic that has no transactions. */
  readonly isToHighWatermark: boolean;
  /** A record that is read again after a failure is added again. */
  readonly add: (record: ReadRecord, partition: number) => Promise<void>;
};

/** How far one partition of a topic was read. */
type Log = {
  readonly topic: FollowedTopic;
  readonly partition: number;
  readonly start: number;
  next: number;
  end: number;
};

const sayReplaced = ({ topic, partition, next }: Log, end: number) =>
  `${topic.name}/${partition} ends at ${end}, and was read to ${next}: it is another log`;

const followEveryMs = 1_000;
const fetchBytes = 1024 * 1024;
/** Others, such as a page that someone waits for, get their turn after so many. */
const recordsPerTurn = 100;

export class LogFollower {
  readonly #reader: LogReader;
  readonly #topics: readonly FollowedTopic[];
  readonly #partitions: number;
  #logs: readonly Log[] = [];
  #hasReadAll = false;
  #hasFailed = false;
  #running: Promise<void> = Promise.resolve();
  #queued: Promise<void> | undefined;

  /** @param reader of its own: large fetches delay what else is read on the same connections */
  constructor(reader: LogReader, topics: readonly FollowedTopic[], partitions: number) {
    this.#reader = reader;
    this.#topics = topics;
    this.#partitions = partitions;
  }

  /** Whether every record was read that was there at the start. */
  get hasReadAll(): boolean {
    return this.#hasReadAll;
  }

  /** Returns how many records were read, and how many there are. */
  progress(): { readonly read: number; readonly total: number } {
    const sum = (of: (one: Log) => number) => this.#logs.reduce((all, one) => all + of(one), 0);
    return {
      read: sum(({ next, start }) => next - start),
      total: sum(({ end, start }) => end - start),
    };
  }

  /**
   * Follows the topics until it is stopped.
   * @param onFailure called with each failure that another attempt may correct
   * @throws AppError ASSUMPTION_BROKEN if a topic was replaced: what was read is void
   */
  async follow(signal: AbortSignal, onFailure: (error: unknown) => void): Promise<void> {
    while (!signal.aborted) {
      await this.catchUp().catch((error: unknown) => {
        if (error instanceof AppError && error.code === 'ASSUMPTION_BROKEN') throw error;
        onFailure(error);
      });
      await sleep(followEveryMs, undefined, { signal }).catch(() => undefined);
    }
  }

  /** Returns when all is read that is on the topics at this moment. @throws AppError */
  catchUp(): Promise<void> {
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
    if (this.#logs.length === 0) this.#logs = await this.#starts();
    else if (this.#hasFailed) await this.#skipDeleted();
    this.#hasFailed = true;
    const places = this.#logs.map(({ topic, partition }) => ({ topic: topic.name, partition }));
    const ends = await this.#reader.ends(places);
    for (const { topic, partition, highWatermark, lastStable } of ends) {
      const log = this.#logs.find((one) => one.topic.name === topic && one.partition === partition);
      if (log === undefined) continue;
      if (highWatermark < log.next) {
        throw new AppError('ASSUMPTION_BROKEN', 'stop', sayReplaced(log, highWatermark));
      }
      log.end = Math.max(log.end, log.topic.isToHighWatermark ? highWatermark : lastStable);
    }
    await this.#readAll(this.#logs.filter(({ next, end }) => next < end));
    this.#hasReadAll = true;
    this.#hasFailed = false;
  }

  /** Retention may have deleted the records that come next. */
  async #skipDeleted(): Promise<void> {
    await Promise.all(
      this.#logs.map(async (log) => {
        const start = await this.#reader.offsetOf(log.topic.name, log.partition, 'start');
        log.next = Math.max(log.next, start);
      }),
    );
  }

  async #starts(): Promise<readonly Log[]> {
    const all = this.#topics.flatMap((topic) =>
      Array.from({ length: this.#partitions }, async (_, partition) => {
        const start = await this.#reader.offsetOf(topic.name, partition, 'start');
        return { topic, partition, start, next: start, end: start };
      }),
    );
    return Promise.all(all);
  }

  /** Reads a page of each in turns, so that records come about in the order of their times. */
  async #readAll(behind: readonly Log[]): Promise<void> {
    let reading = behind.map((log) => {
      const { topic, partition, next: from, end: to } = log;
      const range = { topic: topic.name, partition, from, to, maxBytes: fetchBytes };
      return { log, to, pages: this.#reader.pages(range) };
    });
    while (reading.length > 0) {
      const unfinished: typeof reading = [];
      for (const one of reading) {
        const { done, value: page } = await one.pages.next();
        if (done) one.log.next = one.to;
        else {
          await addAll(one.log, page);
          unfinished.push(one);
        }
      }
      reading = unfinished;
    }
  }
}

async function addAll(log: Log, page: readonly ReadRecord[]): Promise<void> {
  for (const [i, record] of page.entries()) {
    if (i % recordsPerTurn === 0) await nextTurn();
    await log.topic.add(record, log.partition);
    log.next = record.offset + 1;
  }
}
