/**
 * Gives a new group its first offsets, so that an autoscaler sees the lag of a group without
 * members.
 */

import type { Admin } from '../kafka/admin.ts';
import type { Client } from '../kafka/client.ts';
import { commitOffsets } from '../kafka/commit-offsets.ts';
import { LogReader } from '../kafka/log-reader.ts';
import type { Catalog } from './catalog.ts';

/**
 * Commits the beginning of raw for the partitions that were never processed: the group has no
 * offset, and the journal is empty. Everywhere else the offset and the journal must agree, so
 * nothing is touched. Returns the number of those partitions; 0 while the group has members.
 * @throws AppError
 */
export async function commitInitialOffsets(
  client: Client,
  admin: Admin,
  group: string,
  { raw, journal }: Pick<Catalog, 'raw' | 'journal'>,
): Promise<number> {
  const reader = new LogReader(client);
  try {
    const partitions = (await admin.identify([raw])).get(raw)?.partitions ?? 0;
    const committed = await admin.committedOffsets(group, raw);
    const offsets = new Map<number, number>();
    for (let partition = 0; partition < partitions; partition += 1) {
      const isNew = (await reader.offsetOf(journal, partition, 'high-watermark')) === 0;
      if (committed.has(partition) || !isNew) continue;
      offsets.set(partition, await reader.offsetOf(raw, partition, 'start'));
    }
    if (offsets.size === 0) return 0;
    return (await commitOffsets(client, group, raw, offsets)) ? offsets.size : 0;
  } finally {
    await reader.close();
  }
}
