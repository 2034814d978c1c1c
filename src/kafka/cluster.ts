/** The parts of KafkaJS that its public types hide and this room speaks to: cluster, broker, and requests of our own over its connections. */

import { freeNow } from '../buffers/lifetime.ts';
import { requirePart } from './kafkajs-patches/modules.ts';

export type Broker = {
  readonly nodeId: number;
  isConnected(): boolean;
  /** By API key; null before the first connection. */
  readonly versions: Readonly<Record<number, { readonly maxVersion: number }>> | null;
  readonly connectionPool: { send(request: object): Promise<unknown> };
};

type PartitionMetadata = { readonly partitionId: number; readonly leader: number };

export type Cluster = {
  readonly brokerPool: {
    /** Returns a connected broker, preferring one that responded lately (`repairs/broker-away.ts`). */
    findConnectedBroker(): Promise<Broker>;
  };
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  isConnected(): boolean;
  addMultipleTargetTopics(topics: readonly string[]): Promise<void>;
  refreshMetadata(): Promise<void>;
  refreshMetadataIfNecessary(): Promise<void>;
  findTopicPartitionMetadata(topic: string): readonly PartitionMetadata[];
  findBroker(node: { nodeId: number }): Promise<Broker>;
  removeBroker(address: { host: string; port: number }): void;
  findGroupCoordinator(lookup: { groupId: string }): Promise<GroupCoordinator>;
};

type GroupCoordinator = {
  leaveGroup(member: { groupId: string; memberId: string }): Promise<unknown>;
};

const { createErrorFromCode } = requirePart('kafkajs/src/protocol/error') as {
  createErrorFromCode: (code: number) => Error & { type: string; retriable: boolean; code: number };
};

/** KafkaJS's error for a code of the protocol. */
export const errorOfCode = createErrorFromCode;

/** A cluster of the client's own kind (same TLS, SASL, brokers), for requests that KafkaJS does not offer. */
export function createCluster(kafka: object): Cluster {
  const symbol = Object.getOwnPropertySymbols(kafka).find((one) =>
    String(one).includes('Kafka:createCluster'),
  );
  const create = symbol && (kafka as Record<symbol, unknown>)[symbol];
  if (typeof create !== 'function') throw new Error('kafkajs has no createCluster');
  return create({ metadataMaxAge: 300_000, allowAutoTopicCreation: false, isolationLevel: 1 });
}

/** The broker that leads a partition, by the metadata known now. @throws retriable, where there is none */
export async function leaderOf(
  cluster: Cluster,
  topic: string,
  partition: number,
): Promise<Broker> {
  return cluster.findBroker({ nodeId: leaderIdOf(cluster, topic, partition) });
}

/** Its node id. @throws retriable, where there is none */
export function leaderIdOf(cluster: Cluster, topic: string, partition: number): number {
  const metadata = cluster
    .findTopicPartitionMetadata(topic)
    .find(({ partitionId }) => partitionId === partition);
  if (metadata === undefined || metadata.leader < 0) throw errorOfCode(leaderNotAvailable);
  return metadata.leader;
}

const leaderNotAvailable = 5;

export type Api = { readonly key: number; readonly version: number; readonly name: string };

/** Encodes the body of a request, with so many bytes left free before it. */
export type EncodeBody = (head: number) => Buffer;

/** Sends a request that the broker answers; answers with the body of the response. */
export async function request(
  broker: Broker,
  api: Api,
  encodeBody: EncodeBody,
  requestTimeout: number,
): Promise<Buffer> {
  let frame: Buffer | undefined;
  const response = await broker.connectionPool.send({
    request: {
      apiKey: api.key,
      apiVersion: api.version,
      apiName: api.name,
      // What `repairs/frames.ts` needs of it.
      encode: async (head: number) => {
        frame = encodeBody(head);
        return { buffer: frame, hasHead: true };
      },
    },
    response: {
      decode: async (payload: Buffer) => ({ payload }),
      parse: async ({ payload }: { payload: Buffer }) => payload,
    },
    requestTimeout,
  });
  // It is answered, so it has left. After a failure some of it may still wait in the socket.
  if (frame) freeNow(frame);
  return response as Buffer;
}
