/**
 * Sends Kafka's Metadata request, version 12 (KafkaJS uses version 6). A topic's id distinguishes
 * it from another topic that was created under the same name; its authorized operations are what
 * this client may do with it.
 */

import { AppError } from '../errors.ts';
import { requestTimeoutMs } from './client.ts';
import { type Cluster, errorOfCode, request } from './cluster.ts';
import type { Operation } from './permissions.ts';
import { ByteReader, ByteWriter } from './protocol/bytes.ts';

export type TopicMetadata = {
  /** The topic id as Kafka's tools print it: 16 bytes in base64url. */
  readonly id: string;
  readonly partitions: number;
  /** Partitions that have no leader now. */
  readonly leaderless: readonly number[];
  readonly replicationFactor: number;
  /** The operations that this client may do with it. */
  readonly allowed: ReadonlySet<Operation>;
};

const metadataApi = { key: 3, version: 12, name: 'Metadata' };
const idBytes = 16;
const noId = Buffer.alloc(idBytes);
const unknownTopic = 3;

const topicAuthorizationFailed = 29;

/** AclOperation codes: the bits of the authorized operations. */
const operationBits: Readonly<Record<Operation, number>> = {
  READ: 3,
  WRITE: 4,
  CREATE: 5,
  DELETE: 6,
  ALTER: 7,
  DESCRIBE: 8,
  DESCRIBE_CONFIGS: 10,
  ALTER_CONFIGS: 11,
};

export type Topics = {
  readonly found: ReadonlyMap<string, TopicMetadata>;
  /** Topics that may not be described: whether they exist cannot be seen. */
  readonly hidden: readonly string[];
};

/**
 * Returns those of the named topics that exist, and those that cannot be seen.
 * @throws KafkaJS's errors; AppError KAFKA_REFUSED if the brokers have no topic ids
 */
export async function fetchTopicMetadata(
  cluster: Cluster,
  names: readonly string[],
): Promise<Topics> {
  await cluster.connect();
  const broker = await cluster.brokerPool.findConnectedBroker();
  const { maxVersion = 0 } = broker.versions?.[metadataApi.key] ?? {};
  if (maxVersion < metadataApi.version) throw withoutIds();
  const encode = (head: number) => encodeRequest(names, head);
  return decodeResponse(await request(broker, metadataApi, encode, requestTimeoutMs));
}

export function encodeRequest(names: readonly string[], head: number): Buffer {
  const lengths = names.map((name) => Buffer.byteLength(name));
  const size = lengths.reduce((sum, length) => sum + idBytes + 5 + length + 1, 1 + 5 + 2 + 1);
  const writer = new ByteWriter(size, head)
    .int8(0) // tagged fields of the header
    .unsignedVarint(names.length + 1);
  names.forEach((name, i) => {
    writer
      .bytes(noId)
      .unsignedVarint((lengths[i] as number) + 1)
      .text(name)
      .int8(0);
  });
  writer
    .int8(0) // no topic is created
    .int8(1) // with the authorized operations
    .int8(0);
  return writer.buffer.subarray(0, writer.position);
}

export function decodeResponse(body: Buffer): Topics {
  const reader = new ByteReader(body);
  reader.skipTags(); // of the header
  reader.int32(); // throttle
  reader.compactArray(() => {
    reader.int32(); // node
    reader.compactString(); // host
    reader.int32(); // port
    reader.compactString(); // rack
    reader.skipTags();
  });
  reader.compactString(); // cluster
  reader.int32(); // controller
  const topics = reader.compactArray(() => {
    const errorCode = reader.int16();
    const name = reader.compactString() ?? '';
    const id = reader.bytes(idBytes) as Buffer;
    reader.int8(); // internal
    const leaders = reader.compactArray(() => leaderIn(reader));
    const operations = reader.int32();
    reader.skipTags();
    return { errorCode, name, id, leaders, operations };
  });
  const found = new Map<string, TopicMetadata>();
  const hidden: string[] = [];
  for (const { errorCode, name, id, leaders, operations } of topics) {
    if (errorCode === topicAuthorizationFailed) hidden.push(name);
    if (errorCode === unknownTopic || errorCode === topicAuthorizationFailed) continue;
    if (errorCode !== 0) throw errorOfCode(errorCode);
    if (id.equals(noId)) throw withoutIds();
    found.set(name, {
      id: id.toString('base64url'),
      partitions: leaders.length,
      leaderless: leaders.filter(({ leader }) => leader < 0).map(({ partition }) => partition),
      replicationFactor: leaders[0]?.replicas ?? 0,
      allowed: allowedIn(operations),
    });
  }
  return { found, hidden };
}

function allowedIn(bits: number): ReadonlySet<Operation> {
  const all = Object.keys(operationBits) as Operation[];
  return new Set(all.filter((operation) => (bits & (1 << operationBits[operation])) !== 0));
}

type Partition = {
  readonly partition: number;
  /** -1 if there is none. */
  readonly leader: number;
  readonly replicas: number;
};

function leaderIn(reader: ByteReader): Partition {
  reader.int16(); // error
  const partition = reader.int32();
  const leader = reader.int32();
  reader.int32(); // leader epoch
  const replicas = reader.compactArray(() => reader.int32()).length;
  // In sync, and offline.
  for (let lists = 2; lists > 0; lists -= 1) reader.compactArray(() => reader.int32());
  reader.skipTags();
  return { partition, leader, replicas };
}

function withoutIds(): AppError {
  const text =
    'the brokers do not send topic ids (Metadata version 12): expected Kafka 2.8 or newer. Without them a recreated topic cannot be distinguished from the earlier one';
  return new AppError('KAFKA_REFUSED', 'stop', text);
}
