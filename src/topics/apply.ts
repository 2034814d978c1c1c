/** Plans for a cluster, and carries out the plan change by change. */

import type { Admin } from '../kafka/admin.ts';
import type { Catalog } from './catalog.ts';
import { type Change, planTopics } from './plan.ts';

/** Returns the changes that this cluster needs. @throws AppError */
export async function planFor(
  admin: Admin,
  catalog: Catalog,
  replicationFactor: number | undefined,
): Promise<readonly Change[]> {
  const existing = await admin.describe(catalog.topics.map(({ name }) => name));
  const brokerCount = await admin.brokerCount();
  return planTopics(catalog, existing, { brokerCount, replicationFactor });
}

/** Applies one change. A refused change is skipped. @throws AppError */
export async function applyChange(admin: Admin, change: Change): Promise<void> {
  switch (change.kind) {
    case 'create':
      return admin.create(change);
    case 'add-partitions':
      return admin.addPartitions(change.topic, change.to);
    case 'set-config':
      return admin.setConfig(change.topic, change.config);
    case 'refuse':
      return;
  }
}
