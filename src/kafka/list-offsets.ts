/** The ListOffsets request, version 3, for partitions of one leader. */

import { requestTimeoutMs } from './client.ts';
import { type Broker, request } from './cluster.ts';
import { ByteReader, ByteWriter, stringSize } from './protocol/bytes.ts';

export type TopicPartition = { readonly topic: string; readonly partition: number };

export type ListedOffset = TopicPartition & {
  /** 0, or Kafka's error code. */
  readonly errorCode: number;
  /** -1 for a time after the last record. */
  readonly offset: number;
};

/** The timestamps of the request that stand for a place. */
export const earliest = -2n;
export const latest = -1n;

export const isolation = { readUncommitted: 0, readCommitted: 1 } as const;

const listOffsetsApi = { key: 2, version: 3, name: 'ListOffsets' };

/**
 * @param timestamp milliseconds since 1970, `earliest` or `latest`
 * @param level with `readCommitted`, the latest offset is the last stable offset
 */
export async function listOffsets(
  leader: Broker,
  partitions: readonly TopicPartition[],
  timestamp: bigint,
  level: 0 | 1,
): Promise<readonly ListedOffset[]> {
  const size = partitions.reduce(
    (sum, { topic }) => sum + stringSize(topic) + 4 + 4 + 8,
    4 + 1 + 4,
  );
  const encode = (head: number) => {
    const writer = new ByteWriter(size, head)
      .int32(-1) // replica id: a client
      .int8(level)
      .int32(partitions.length);
    for (const { topic, partition } of partitions) {
      writer.string(topic).int32(1).int32(partition).int64(timestamp);
    }
    return writer.buffer;
  };
  const reader = new ByteReader(await request(leader, listOffsetsApi, encode, requestTimeoutMs));
  reader.int32(); // throttle
  const topics = reader.array(() => {
    const topic = reader.string();
    return reader.array(() => {
      const partition = reader.int32();
      const errorCode = reader.int16();
      reader.int64(); // timestamp
      return { topic, partition, errorCode, offset: Number(reader.int64()) };
    });
  });
  return topics.flat();
}
