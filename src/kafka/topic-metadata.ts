/**
 * Sends Kafka's Metadata request, version 12 (KafkaJS uses version 6). A topic's id distinguishes
 * it from another topic that was created under the same name; its authorized operations are what
 * this client may do with it.
 */

import { AppError } from '../errors.ts';
import { requestTimeoutMs } from './client.ts';
import { type Cluster, errorOfCode, request } from './cluster.ts';
import { ByteReader, ByteWriter } from './protocol/bytes.ts';

export type TopicMetadata = {
  /** The topic id as Kafka's tools print it: 16 bytes in base64url. */
  readonly id: string;
  readonly partitions: number;
  /** Partitions that have no leader now. */
  readonly leaderless: readonly number[];
  readonly mayRead: boolean;
  readonly mayWrite: boolean;
};

const metadataApi = { key: 3, version: 12, name: 'Metadata' };
const idBytes = 16;
const noId = Buffer.alloc(idBytes);
const unknownTopic = 3;

/** AclOperation codes: the bits of the authorized operations. */
const readOperation = 1 << 3;
const writeOperation = 1 << 4;

/**
 * Returns those of the named topics that exist.
 * @throws KafkaJS's errors; AppError KAFKA_REFUSED if the brokers have no topic ids
 */
export async function fetchTopicMetadata(
  cluster: Cluster,
  names: readonly string[],
): Promise<ReadonlyMap<string, TopicMetadata>> {
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

export function decodeResponse(body: Buffer): ReadonlyMap<string, TopicMetadata> {
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
  for (const { errorCode, name, id, leaders, operations } of topics) {
    if (errorCode === unknownTopic) continue;
    if (errorCode !== 0) throw errorOfCode(errorCode);
    if (id.equals(noId)) throw withoutIds();
    found.set(name, {
      id: id.toString('base64url'),
      partitions: leaders.length,
      leaderless: leaders.filter(({ leader }) => leader < 0).map(({ partition }) => partition),
      mayRead: (operations & readOperation) !== 0,
      mayWrite: (operations & writeOperation) !== 0,
    });
  }
  return found;
}

/** Reads a partition. The leader is -1 if there is none. */
function leaderIn(reader: ByteReader): { readonly partition: number; readonly leader: number } {
  reader.int16(); // error
  const partition = reader.int32();
  const leader = reader.int32();
  reader.int32(); // leader epoch
  for (let lists = 3; lists > 0; lists -= 1) reader.compactArray(() => reader.int32()); // replicas
  reader.skipTags();
  return { partition, leader };
}

function withoutIds(): AppError {
  const text =
    'the brokers do not send topic ids (Metadata version 12): expected Kafka 2.8 or newer. Without them a recreated topic cannot be distinguished from the earlier one';
  return new AppError('KAFKA_REFUSED', 'stop', text);
}
