/**
 * Reads one partition from an offset to another without a consumer group: committed records only,
 * or the log as it is. KafkaJS's consumer needs a group for this, and its read_committed filter
 * lets aborted records through because it ignores the order of aborted transactions. Here
 * `protocol/record-batch-reader.ts` filters.
 */

import { exponentialBackoff, retry } from '../concurrency/retry.ts';
import { type Client, requestTimeoutMs } from './client.ts';
import {
  type Broker,
  type Cluster,
  createCluster,
  errorOfCode,
  leaderIdOf,
  leaderOf,
  request,
} from './cluster.ts';
import { asAppError, isDenied, recoveryOf } from './failure.ts';
import { earliest, isolation, latest, listOffsets, type TopicPartition } from './list-offsets.ts';
import { fetchOpenTransactions, type OpenTransaction } from './open-transactions.ts';
import { permission } from './permissions.ts';
import { ByteReader, ByteWriter, stringSize } from './protocol/bytes.ts';
import {
  type BatchHeader,
  type ReadRecord,
  readBatches,
  readCommitted,
} from './protocol/record-batch-reader.ts';
import type { RecordPosition } from './record-position.ts';

const fetchApi = { key: 1, version: 11, name: 'Fetch' };
const maxWaitMs = 500;
const largestFetchBytes = 8 * 1024 * 1024;

/** 30, 60, 120 … 250 ms: about 14 s in all. */
const maxFailures = 60;
const backoff = exponentialBackoff(30, 250);

/** Enough for the batch of one record, and little more. */
const oneRecordBytes = 64 * 1024;

/**
 * A place in a log: its start; its end for read_committed readers, which is the first offset of an
 * open transaction if there is one; its end for all readers; or the first record at or after a
 * time.
 */
type Place = 'start' | 'end' | 'high-watermark' | { readonly atMs: number };

export type Range = {
  readonly topic: string;
  readonly partition: number;
  readonly from: number;
  /** Exclusive. */
  readonly to: number;
  /** Limits one fetch if little is wanted. The broker sends a whole batch in any case. */
  readonly maxBytes?: number;
};

export type PartitionEnds = TopicPartition & {
  /** The end of the log for all readers. */
  readonly highWatermark: number;
  /** The end for read_committed readers. */
  readonly lastStable: number;
};

/** Every method throws AppError if Kafka cannot be reached for about 14 s. */
export class LogReader {
  readonly #cluster: Cluster;
  readonly #principal: string;
  #connected: Promise<void> | undefined;

  constructor(client: Client) {
    this.#cluster = createCluster(client);
    this.#principal = client.principal;
  }

  /** Returns the offset of a place in a partition; for a time after the last record, the end. */
  offsetOf(topic: string, partition: number, place: Place): Promise<number> {
    return this.#attempt(`list offsets of ${topic}/${partition}`, [topic], async () => {
      const found = await listOffset(this.#cluster, topic, partition, place);
      // A time after the last record has no offset of its own.
      return found >= 0 ? found : listOffset(this.#cluster, topic, partition, 'end');
    });
  }

  /** Returns the range between two places of a partition as they are now. */
  async rangeOf(topic: string, partition: number, first: Place, end: Place): Promise<Range> {
    const [from, to] = await Promise.all([
      this.offsetOf(topic, partition, first),
      this.offsetOf(topic, partition, end),
    ]);
    return { topic, partition, from, to };
  }

  /** Returns both ends of these partitions, without those that have no leader now. */
  ends(partitions: readonly TopicPartition[]): Promise<readonly PartitionEnds[]> {
    const topics = [...new Set(partitions.map(({ topic }) => topic))];
    return this.#attempt('list the ends of partitions', topics, async () => {
      const cluster = this.#cluster;
      const led = new Map<number, TopicPartition[]>();
      for (const one of partitions) {
        const leader = knownLeaderOf(cluster, one);
        if (leader !== undefined) led.set(leader, [...(led.get(leader) ?? []), one]);
      }
      const ends = [...led].map(async ([nodeId, its]) =>
        endsAt(await cluster.findBroker({ nodeId }), its),
      );
      return (await Promise.all(ends)).flat();
    });
  }

  /** Returns the transactions that are open in a partition. */
  openTransactions(place: TopicPartition): Promise<readonly OpenTransaction[]> {
    const { topic, partition } = place;
    return this.#attempt(`find the open transactions of ${topic}/${partition}`, [topic], () =>
      fetchOpenTransactions(this.#cluster, place),
    );
  }

  /** Yields the committed records of the range. */
  async *records(range: Range): AsyncGenerator<ReadRecord> {
    for await (const page of this.pages(range)) for (const record of page) yield record;
  }

  /**
   * Yields the committed records of the range, fetch by fetch: awaiting each record costs a
   * microsecond.
   */
  async *pages(range: Range): AsyncGenerator<readonly ReadRecord[]> {
    for (let next = range.from; next < range.to; ) {
      const { batches, aborted } = await this.#fetch(range, next, isolation.readCommitted);
      const records: ReadRecord[] = [];
      next = readCommitted(batches, next, aborted, (record) => {
        if (record.offset < range.to) records.push(record);
      });
      yield records;
    }
  }

  /**
   * Yields every batch that begins in the range as it is in the log: open, aborted and control
   * batches too.
   */
  async *batches(range: Range): AsyncGenerator<BatchHeader> {
    for (let next = range.from; next < range.to; ) {
      const { batches } = await this.#fetch(range, next, isolation.readUncommitted);
      const from = next;
      for (const batch of readBatches(batches)) {
        if (batch.baseOffset < range.to && batch.lastOffset >= from) yield batch;
        next = Math.max(next, batch.lastOffset + 1);
      }
    }
  }

  /** Returns the committed record at a position; undefined if there is none. */
  async recordAt({ topic, partition, offset }: RecordPosition): Promise<ReadRecord | undefined> {
    const range = { topic, partition, from: offset, to: offset + 1, maxBytes: oneRecordBytes };
    for await (const record of this.records(range)) return record;
    return undefined;
  }

  close(): Promise<void> {
    return this.#cluster.disconnect();
  }

  #fetch(range: Range, from: number, isolation: number) {
    const { topic, partition } = range;
    return this.#attempt(`read ${topic}/${partition}`, [topic], async () => {
      const leader = await leaderOf(this.#cluster, topic, partition);
      const encode = (head: number) => encodeFetch(range, from, isolation, head);
      return decodeFetch(await request(leader, fetchApi, encode, requestTimeoutMs + maxWaitMs));
    });
  }

  /**
   * Sends a request to the leader known now. If that is stale or unreachable, retries with fresh
   * metadata.
   */
  async #attempt<T>(what: string, topics: readonly string[], run: () => Promise<T>): Promise<T> {
    const cluster = this.#cluster;
    const attempt = async () => {
      this.#connected ??= cluster.connect();
      await this.#connected;
      await cluster.addMultipleTargetTopics([...topics]);
      await cluster.refreshMetadataIfNecessary();
      return await run();
    };
    return retry(attempt, {
      backoff,
      maxFailures,
      isRetriable: (error) => recoveryOf(error) === 'retry' && !isDenied(error),
      beforeRetry: async () => {
        this.#connected = undefined;
        // If the refresh fails, the next attempt fails in the same way and is counted.
        await cluster.refreshMetadata().catch(() => undefined);
      },
    }).catch((error: unknown) => {
      throw asAppError(error, what, {
        principal: this.#principal,
        needs: topics.map((topic) => permission('READ', 'topic', topic)),
      });
    });
  }
}

/** Returns the leader's node id by the metadata known now; undefined if there is none. */
function knownLeaderOf(cluster: Cluster, { topic, partition }: TopicPartition): number | undefined {
  try {
    return leaderIdOf(cluster, topic, partition);
  } catch {
    return undefined;
  }
}

async function listOffset(
  cluster: Cluster,
  topic: string,
  partition: number,
  place: Place,
): Promise<number> {
  const timestamp =
    typeof place === 'object'
      ? BigInt(Math.floor(place.atMs))
      : place === 'start'
        ? earliest
        : latest;
  const level = place === 'high-watermark' ? isolation.readUncommitted : isolation.readCommitted;
  const leader = await leaderOf(cluster, topic, partition);
  const [found] = await listOffsets(leader, [{ topic, partition }], timestamp, level);
  if (found === undefined) throw new Error(`no offset of ${topic}/${partition} in the response`);
  if (found.errorCode !== 0) throw errorOfCode(found.errorCode);
  return found.offset;
}

/** Returns both ends of the partitions that one broker leads; it may lead some no longer. */
async function endsAt(
  leader: Broker,
  partitions: readonly TopicPartition[],
): Promise<readonly PartitionEnds[]> {
  const { readCommitted: committed, readUncommitted: all } = isolation;
  // In this order: a log that grows between the requests does not look like an open transaction.
  const highWatermarks = await listOffsets(leader, partitions, latest, all);
  const lastStables = await listOffsets(leader, partitions, latest, committed);
  const keyOf = ({ topic, partition }: TopicPartition) => `${topic}/${partition}`;
  const stable = new Map(
    lastStables.filter(({ errorCode }) => errorCode === 0).map((one) => [keyOf(one), one.offset]),
  );
  return highWatermarks.flatMap(({ topic, partition, errorCode, offset: highWatermark }) => {
    const lastStable = stable.get(keyOf({ topic, partition }));
    if (errorCode !== 0 || lastStable === undefined) return [];
    return [{ topic, partition, highWatermark, lastStable }];
  });
}

function encodeFetch(
  { topic, partition, maxBytes = largestFetchBytes }: Range,
  from: number,
  isolation: number,
  head: number,
): Buffer {
  return new ByteWriter(4 * 3 + 4 + 1 + 8 + 4 + stringSize(topic) + 4 + 28 + 4 + 2, head)
    .int32(-1) // replica id: a client
    .int32(maxWaitMs)
    .int32(1) // min bytes
    .int32(maxBytes)
    .int8(isolation)
    .int32(0) // no fetch session
    .int32(-1)
    .int32(1)
    .string(topic)
    .int32(1)
    .int32(partition)
    .int32(-1) // any leader epoch
    .int64(BigInt(from))
    .int64(-1n) // log start: for followers
    .int32(maxBytes)
    .int32(0) // nothing forgotten
    .string('').buffer; // no rack
}

function decodeFetch(body: Buffer) {
  const reader = new ByteReader(body);
  reader.int32(); // throttle
  const errorCode = reader.int16();
  if (errorCode !== 0) throw errorOfCode(errorCode);
  reader.int32(); // session
  reader.int32(); // one topic
  reader.string();
  reader.int32(); // one partition
  reader.int32(); // its number
  const partitionError = reader.int16();
  if (partitionError !== 0) throw errorOfCode(partitionError);
  reader.int64(); // high watermark
  reader.int64(); // last stable offset
  reader.int64(); // log start
  const aborted = reader.array(() => ({
    producerId: reader.int64(),
    firstOffset: Number(reader.int64()),
  }));
  reader.int32(); // preferred replica
  return { aborted, batches: reader.bytes(reader.int32()) ?? Buffer.alloc(0) };
}
