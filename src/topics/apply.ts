/** Carries out a plan, change by change. */

import type { Admin } from '../kafka/admin.ts';
import type { Change } from './plan.ts';

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
