/** Deletes the records of a partition before an offset, as retention does. */

import type { Client } from '../../src/kafka/client.ts';

export async function deleteRecords(
  client: Client,
  topic: string,
  partition: number,
  before: number,
): Promise<void> {
  const admin = client.admin();
  await admin.connect();
  // KafkaJS deletes only in topics whose metadata it has.
  await admin.fetchTopicOffsets(topic);
  await admin.deleteTopicRecords({ topic, partitions: [{ partition, offset: String(before) }] });
  await admin.disconnect();
}
