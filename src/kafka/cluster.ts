/** Our own requests over KafkaJS's connections, for what its public API does not offer. */

import { freeNow } from '../buffers/lifetime.ts';
import { type Broker, type Cluster, errorOfCode } from './kafkajs-patches/internals.ts';

export type { Broker, Cluster } from './kafkajs-patches/internals.ts';
export { errorOfCode } from './kafkajs-patches/internals.ts';

/** Creates a cluster object with the client's TLS, SASL and brokers. */
export function createCluster(kafka: object): Cluster {
  const symbol = Object.getOwnPropertySymbols(kafka).find((one) =>
    String(one).includes('Kafka:createCluster'),
  );
  const create = symbol && (kafka as Record<symbol, unknown>)[symbol];
  if (typeof create !== 'function') throw new Error('kafkajs has no createCluster');
  return create({ metadataMaxAge: 300_000, allowAutoTopicCreation: false, isolationLevel: 1 });
}

/**
 * Returns the leader of a partition, by the metadata known now.
 * @throws a retriable KafkaJS error if there is none
 */
export async function leaderOf(
  cluster: Cluster,
  topic: string,
  partition: number,
): Promise<Broker> {
  return cluster.findBroker({ nodeId: leaderIdOf(cluster, topic, partition) });
}

/** Returns the leader's node id. @throws a retriable KafkaJS error if there is none */
export function leaderIdOf(cluster: Cluster, topic: string, partition: number): number {
  const metadata = cluster
    .findTopicPartitionMetadata(topic)
    .find(({ partitionId }) => partitionId === partition);
  if (metadata === undefined || metadata.leader < 0) throw errorOfCode(leaderNotAvailable);
  return metadata.leader;
}

const leaderNotAvailable = 5;

export type Api = { readonly key: number; readonly version: number; readonly name: string };

/** Encodes the body of a request, with `head` bytes left free before it. */
export type EncodeBody = (head: number) => Buffer;

/** Sends a request, and returns the body of its response. */
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
      // See `kafkajs-patches/request.ts`.
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
  // There is a response, so the request was sent. After a failure some of it may still wait in the
  // socket.
  if (frame) freeNow(frame);
  return response as Buffer;
}
