/**
 * Takes a member that has died out of its group, so that its partitions need not wait for the end of its session. It is safe even if the member
 * lives: what may be written is decided by the leases, not by the membership.
 */

import type { Client } from '../kafka/client.ts';
import { createCluster } from '../kafka/cluster.ts';
import { asAppError } from '../kafka/failure.ts';

/** The coordinator's answer where the session has ended already. */
const unknownMember = 'UNKNOWN_MEMBER_ID';

/** Answers whether it was a member still. @throws AppError, where the coordinator can not be asked */
export async function removeMember(
  client: Client,
  group: string,
  memberId: string,
): Promise<boolean> {
  const cluster = createCluster(client);
  try {
    await cluster.connect();
    const coordinator = await cluster.findGroupCoordinator({ groupId: group });
    await coordinator.leaveGroup({ groupId: group, memberId });
    return true;
  } catch (error) {
    if ((error as { type?: string }).type === unknownMember) return false;
    throw asAppError(error, `take the member ${memberId} out of the group ${group}`);
  } finally {
    await cluster.disconnect().catch(() => undefined);
  }
}
