/** Commits offsets for a group without members: the OffsetCommit request, version 2. */

import { type Client, requestTimeoutMs } from './client.ts';
import { createCluster, errorOfCode, request } from './cluster.ts';
import { asAppError } from './failure.ts';
import { permission } from './permissions.ts';
import { ByteReader, ByteWriter, stringSize } from './protocol/bytes.ts';

const offsetCommitApi = { key: 8, version: 2, name: 'OffsetCommit' };

/** The coordinator's response if the group has members: they commit for themselves. */
const unknownMember = 'UNKNOWN_MEMBER_ID';

/**
 * Returns false if the group has members; nothing is changed then.
 * @param offsets by partition
 * @throws AppError
 */
export async function commitOffsets(
  client: Client,
  group: string,
  topic: string,
  offsets: ReadonlyMap<number, number>,
): Promise<boolean> {
  const cluster = createCluster(client);
  try {
    await cluster.connect();
    const coordinator = await cluster.findGroupCoordinator({ groupId: group });
    const encode = (head: number) => encodeCommit(group, topic, offsets, head);
    check(await request(coordinator, offsetCommitApi, encode, requestTimeoutMs));
    return true;
  } catch (error) {
    if ((error as { type?: string }).type === unknownMember) return false;
    const needs = [permission('READ', 'group', group), permission('READ', 'topic', topic)];
    const access = { principal: client.principal, needs };
    throw asAppError(error, `commit the first offsets of the group ${group}`, access);
  } finally {
    await cluster.disconnect().catch(() => undefined);
  }
}

function encodeCommit(
  group: string,
  topic: string,
  offsets: ReadonlyMap<number, number>,
  head: number,
): Buffer {
  const size = stringSize(group) + 4 + 2 + 8 + 4 + stringSize(topic) + 4 + offsets.size * 14;
  const writer = new ByteWriter(size, head)
    .string(group)
    .int32(-1) // no generation
    .string('') // no member
    .int64(-1n) // the broker's retention
    .int32(1)
    .string(topic)
    .int32(offsets.size);
  for (const [partition, offset] of offsets) {
    writer.int32(partition).int64(BigInt(offset)).string(null);
  }
  return writer.buffer;
}

/** @throws KafkaJS's error of the first partition that was refused */
function check(body: Buffer): void {
  const reader = new ByteReader(body);
  reader.array(() => {
    reader.string(); // topic
    reader.array(() => {
      reader.int32(); // partition
      const errorCode = reader.int16();
      if (errorCode !== 0) throw errorOfCode(errorCode);
    });
  });
}
