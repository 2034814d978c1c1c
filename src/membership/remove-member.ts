/**
 * Removes a dead member from its group, so that its partitions need not wait for the end of its
 * session. It is safe even if the member is alive: the leases, not the membership, guard what is
 * written.
 */

import type { Client } from '../kafka/client.ts';
import { createCluster } from '../kafka/cluster.ts';
import { asAppError } from '../kafka/failure.ts';

/** The warning when `removeMember` fails. */
export const removalFailed =
  'could not remove the dead member from the group; its partitions stay unassigned until the session times out';

/** The coordinator's response if the session has ended already. */
const unknownMember = 'UNKNOWN_MEMBER_ID';

/** Returns whether it was still a member. @throws AppError if the coordinator cannot be reached */
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
    throw asAppError(error, `remove the member ${memberId} from the group ${group}`);
  } finally {
    await cluster.disconnect().catch(() => undefined);
  }
}
