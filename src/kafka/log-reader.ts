/**
 * Reads one partition from an offset to its end without a consumer group: committed records only, or the log as it lies. KafkaJS's own consumer needs a group for
 * this and lets aborted records through (facts: its filter ignores the order of aborted transactions); here `decode-batch.ts` filters.
 */

import { type Client, requestTimeoutMs } from './client.ts';
import { type Cluster, createCluster, errorOfCode, leaderOf, request } from './cluster.ts';
import { asAppError } from './failure.ts';
import { ByteReader, ByteWriter, stringSize } from './protocol/bytes.ts';
import {
  type BatchHeader,
  type ReadRecord,
  readBatches,
  readCommitted,
} from './protocol/record-batch-reader.ts';

const fetchApi = { key: 1, version: 11, name: 'Fetch' };
const listOffsetsApi = { key: 2, version: 3, name: 'ListOffsets' };

const maxWaitMs = 500;
const largestFetch = 8 * 1024 * 1024;
/** 30, 60, 120 … 250 ms: about 14 s in all. */
const attempts = 60;
const longestWaitMs = 250;

/**
 * What an offset is asked for: the log's start; its end for read_committed readers, which is the first offset of an open transaction where there
 * is one; its end for all readers; or the first record not older than a time.
 */
type Where = 'start' | 'end' | 'high-watermark' | { readonly atMs: number };

export type Reader = {
  /** The offset of a place in a partition. For a time after the last record: the end. */
  readonly offsetOf: (topic: string, partition: number, where: Where) => Promise<number>;
  /** Visits the committed records in [from, to); `onFetch` is awaited after each fetch (heartbeats, progress). */
  readonly read: (range: Range & { readonly visit: (record: ReadRecord) => void }) => Promise<void>;
  /** Visits every batch that begins in [from, to) as it lies in the log: open, aborted and control batches too. */
  readonly scan: (range: Range & { readonly visit: (batch: BatchHeader) => void }) => Promise<void>;
  readonly close: () => Promise<void>;
};

type Range = {
  readonly topic: string;
  readonly partition: number;
  readonly from: number;
  readonly to: number;
  /** Of one fetch, where little is wanted. The broker gives a whole batch in any case. */
  readonly maxBytes?: number;
  readonly onFetch?: (nextOffset: number) => Promise<void>;
};

/** From one place in a partition to another, as they are now. */
export async function rangeOf(
  reader: Pick<Reader, 'offsetOf'>,
  topic: string,
  partition: number,
  from: Where,
  to: Where,
) {
  const [first, end] = await Promise.all([
    reader.offsetOf(topic, partition, from),
    reader.offsetOf(topic, partition, to),
  ]);
  return { topic, partition, from: first, to: end };
}

const readUncommitted = 0;
const onlyCommitted = 1;

export function createReader(client: Client): Reader {
  const cluster = createCluster(client);
  let connected: Promise<void> | undefined;
  /** Runs a request against the leader known now; where that is stale or away, again with fresh metadata. */
  const attempt = async <T>(tried: string, topic: string, run: () => Promise<T>): Promise<T> => {
    for (
      let left = attempts, waitMs = 30;
      ;
      left -= 1, waitMs = Math.min(longestWaitMs, waitMs * 2)
    ) {
      try {
        connected ??= cluster.connect();
        await connected;
        await cluster.addMultipleTargetTopics([topic]);
        await cluster.refreshMetadataIfNecessary();
        return await run();
      } catch (error) {
        const failure = asAppError(error, tried);
        if (failure.recovery !== 'retry' || left <= 1) throw failure;
        connected = undefined;
        await new Promise((resolve) => setTimeout(resolve, waitMs));
        await cluster.refreshMetadata().catch(() => undefined); // the next attempt meets the same
      }
    }
  };
  /** Fetch by fetch from `from` to `to`; `take` answers where the next one starts. */
  const follow = async (
    range: Range,
    isolation: number,
    take: (fetched: Fetched, next: number) => number,
  ) => {
    const { topic, partition, to } = range;
    for (let next = range.from; next < to; ) {
      const fetched = await attempt(`read ${topic}/${partition}`, topic, () =>
        fetchOnce(cluster, range, next, isolation),
      );
      next = take(fetched, next);
      await range.onFetch?.(next);
    }
  };
  return {
    offsetOf: (topic, partition, where) =>
      attempt(`list offsets of ${topic}/${partition}`, topic, async () => {
        const found = await listOffset(cluster, topic, partition, where);
        // A time after the last record has no offset of its own.
        return found >= 0 ? found : listOffset(cluster, topic, partition, 'end');
      }),
    read: (range) =>
      follow(range, onlyCommitted, ({ batches, aborted }, next) =>
        readCommitted(batches, next, aborted, (record) => {
          if (record.offset < range.to) range.visit(record);
        }),
      ),
    scan: (range) =>
      follow(range, readUncommitted, ({ batches }, next) => {
        let after = next;
        for (const batch of readBatches(batches)) {
          if (batch.baseOffset < range.to && batch.lastOffset >= next) range.visit(batch);
          after = Math.max(after, batch.lastOffset + 1);
        }
        return after;
      }),
    close: () => cluster.disconnect(),
  };
}

async function listOffset(
  cluster: Cluster,
  topic: string,
  partition: number,
  where: Where,
): Promise<number> {
  const timestamp =
    typeof where === 'object' ? BigInt(Math.floor(where.atMs)) : where === 'start' ? -2n : -1n;
  const encode = (head: number) =>
    new ByteWriter(4 + 1 + 4 + stringSize(topic) + 4 + 4 + 8, head)
      .int32(-1) // replica id: a client
      .int8(where === 'high-watermark' ? 0 : 1) // read_committed: the end is the last stable offset
      .int32(1)
      .string(topic)
      .int32(1)
      .int32(partition)
      .int64(timestamp).buffer;
  const leader = await leaderOf(cluster, topic, partition);
  const reader = new ByteReader(await request(leader, listOffsetsApi, encode, requestTimeoutMs));
  reader.int32(); // throttle
  reader.int32(); // one topic
  reader.string();
  reader.int32(); // one partition
  reader.int32(); // its number
  const errorCode = reader.int16();
  if (errorCode !== 0) throw errorOfCode(errorCode);
  reader.int64(); // timestamp
  return Number(reader.int64());
}

async function fetchOnce(
  cluster: Cluster,
  range: Range,
  from: number,
  isolation: number,
): Promise<Fetched> {
  const leader = await leaderOf(cluster, range.topic, range.partition);
  const encode = (head: number) => encodeFetch(range, from, isolation, head);
  return decodeFetch(await request(leader, fetchApi, encode, requestTimeoutMs + maxWaitMs));
}

function encodeFetch(
  { topic, partition, maxBytes = largestFetch }: Range,
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

type Fetched = ReturnType<typeof decodeFetch>;

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
