/**
 * The patch of tulios/kafkajs #1303, on a stub of KafkaJS's cluster: the leader of a partition
 * moves between two attempts.
 */

import { createRequire } from 'node:module';
import { expect, test } from 'vitest';
import { errorOfCode } from '../../../../src/kafka/cluster.ts';
import { createSendMessages } from '../../../../src/kafka/kafkajs-patches/send-messages.ts';
import { ByteReader, ByteWriter } from '../../../../src/kafka/protocol/bytes.ts';

const notLeader = 6;

/** Two brokers that keep what they accept, and refuse partitions that they do not lead. */
function aCluster() {
  const leaderOf = new Map([
    [0, 1],
    [1, 2],
  ]);
  const known = new Map(leaderOf);
  const stored: { broker: number; partition: number; sequence: number }[] = [];
  const requests: number[] = [];
  const brokers = [1, 2].map((nodeId) => ({
    nodeId,
    isConnected: () => true,
    connectionPool: {
      send: async ({
        request,
      }: {
        request: { encode: (head: number) => Promise<{ buffer: Buffer }> };
      }) => {
        requests.push(nodeId);
        return respond(nodeId, (await request.encode(0)).buffer);
      },
    },
    produce: async ({
      topicData,
    }: {
      topicData: { partitions: { partition: number; firstSequence: number }[] }[];
    }) => {
      requests.push(nodeId);
      const results = topicData.flatMap(({ partitions }) =>
        partitions.map((one) => accept(nodeId, one.partition, one.firstSequence)),
      );
      const refused = results.find(({ errorCode }) => errorCode !== 0);
      if (refused) throw errorOfCode(refused.errorCode);
      return { topics: [{ topicName: 't', partitions: results }] };
    },
  }));
  const accept = (broker: number, partition: number, sequence: number) => {
    if (leaderOf.get(partition) !== broker)
      return { partition, errorCode: notLeader, baseOffset: '-1' };
    stored.push({ broker, partition, sequence });
    return { partition, errorCode: 0, baseOffset: '0' };
  };
  const respond = (broker: number, body: Buffer) => {
    const reader = new ByteReader(body);
    reader.int16(); // no transactional id
    reader.int16();
    reader.int32();
    const results = reader
      .array(() => {
        reader.string();
        return reader.array(() => {
          const partition = reader.int32();
          const batch = reader.bytes(reader.int32()) ?? Buffer.alloc(0);
          return accept(broker, partition, batch.readInt32BE(53));
        });
      })
      .flat();
    const out = new ByteWriter(4 + 3 + 4 + results.length * 30)
      .int32(1)
      .string('t')
      .int32(results.length);
    for (const { partition, errorCode, baseOffset } of results) {
      out.int32(partition).int16(errorCode).int64(BigInt(baseOffset)).int64(-1n).int64(0n);
    }
    return out.buffer;
  };
  const cluster = {
    connect: async () => {},
    disconnect: async () => {},
    isConnected: () => true,
    addMultipleTargetTopics: async () => {},
    refreshMetadata: async () => {
      for (const [partition, leader] of leaderOf) known.set(partition, leader);
    },
    refreshMetadataIfNecessary: async () => {},
    findTopicPartitionMetadata: () =>
      [...known].map(([partitionId, leader]) => ({ partitionId, leader })),
    findLeaderForPartitions: (_: string, partitions: string[]) =>
      Object.fromEntries(
        [1, 2]
          .map((leader) => [
            leader,
            partitions.map(Number).filter((one) => known.get(one) === leader),
          ])
          .filter(([, list]) => (list as number[]).length > 0),
      ),
    findBroker: async ({ nodeId }: { nodeId: number | string }) => brokers[Number(nodeId) - 1],
    removeBroker: () => {},
    targetTopics: new Set(['t']),
  };
  return { cluster, leaderOf, stored, requests };
}

const eosManager = (isIdempotent: boolean) => {
  const sequences = new Map<number, number>();
  return {
    isTransactional: () => false,
    isInitialized: () => isIdempotent,
    getTransactionalId: () => '',
    getProducerId: () => 1,
    getProducerEpoch: () => 0,
    getSequence: (_: string, partition: number) => sequences.get(partition) ?? 0,
    updateSequence: (_: string, partition: number, by: number) =>
      void sequences.set(partition, (sequences.get(partition) ?? 0) + by),
    addPartitionsToTransaction: async () => {},
    acquireBrokerLock: async () => {},
    releaseBrokerLock: async () => {},
  };
};

/** KafkaJS's retrier without its waits. */
const retrier = async <T>(
  run: (bail: (error: unknown) => void, count: number, time: number) => Promise<T>,
): Promise<T> => {
  for (let attempt = 0; ; attempt += 1) {
    let bailed: unknown;
    try {
      const result = await run(
        (error) => {
          bailed = error;
        },
        attempt,
        0,
      );
      if (bailed) throw bailed;
      return result;
    } catch (error) {
      if (bailed || attempt === 3) throw error;
    }
  }
};

const logger = { debug: () => {}, error: () => {}, warn: () => {}, info: () => {} };
const messages = [
  { partition: 0, value: 'a' },
  { partition: 1, value: 'b' },
];
const send = { acks: -1, topicMessages: [{ topic: 't', messages }] };
const context = (cluster: ReturnType<typeof aCluster>['cluster'], isIdempotent = true) =>
  ({
    cluster,
    eosManager: eosManager(isIdempotent),
    retrier,
    partitioner: ({ message }: { message: { partition: number } }) => message.partition,
    logger,
  }) as never;

test('a partition whose leader has moved to a broker that already answered is sent again', async () => {
  const { cluster, leaderOf, stored } = aCluster();
  leaderOf.set(0, 2); // the metadata still says 1
  await createSendMessages(context(cluster))(send);
  expect(stored.map(({ broker, partition }) => `${partition}@${broker}`).sort()).toEqual([
    '0@2',
    '1@2',
  ]);
});

test("KafkaJS's own produce path loses that record, and resolves", async () => {
  const require = createRequire(import.meta.url);
  // A copy of the module as it is on disk: the repaired one may be in its place.
  const path = require.resolve('kafkajs/src/producer/sendMessages');
  delete require.cache[path];
  const { cluster, leaderOf, stored } = aCluster();
  leaderOf.set(0, 2);
  await require(path)(context(cluster))(send);
  expect(stored.map(({ partition }) => partition)).toEqual([1]);
});

test('what was acknowledged is not sent again, and a repeat keeps its sequence', async () => {
  const { cluster, leaderOf, stored, requests } = aCluster();
  leaderOf.set(0, 2);
  const sendMessages = createSendMessages(context(cluster));
  await sendMessages(send);
  await sendMessages(send);
  expect(requests).toEqual([1, 2, 2, 2]);
  expect(stored).toEqual([
    { broker: 2, partition: 1, sequence: 0 },
    { broker: 2, partition: 0, sequence: 0 },
    { broker: 2, partition: 0, sequence: 1 },
    { broker: 2, partition: 1, sequence: 1 },
  ]);
});

test('a send that is never acknowledged ends with the error, not silently', async () => {
  const { cluster, leaderOf } = aCluster();
  leaderOf.set(0, 3); // a broker that does not exist
  await expect(createSendMessages(context(cluster))(send)).rejects.toThrow();
});
