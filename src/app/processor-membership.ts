/** Joins the group, and watches the other processes of it. */

import { hostname } from 'node:os';
import type { AdminServer } from '../admin/server.ts';
import { createClient } from '../kafka/client.ts';
import { joinGroup } from '../kafka/group.ts';
import { advertisedAddress } from '../membership/advertised-address.ts';
import { waitForDeath } from '../membership/liveness.ts';
import { Peers } from '../membership/peers.ts';
import { removalFailed, removeMember } from '../membership/remove-member.ts';
import type { LogWatch } from '../processor/log-watch.ts';
import type { Processor } from '../processor/processor.ts';
import type { ProcessorBase, ProcessorClients } from './processor-clients.ts';
import type { WorkerContext } from './run-service.ts';

export async function joinWithPeers(
  { config, log }: ProcessorBase,
  { admin, catalog, partitions }: ProcessorClients,
  { processor, logs }: { readonly processor: Processor; readonly logs: LogWatch },
  worker: WorkerContext,
  { port, name }: Pick<AdminServer, 'port' | 'name'>,
) {
  const { group, sessionTimeoutMs, maxFetchBytes, fetchWaitMs } = config.processor;
  const remove = (memberId: string) =>
    removeMember(createClient(config.kafka, log), group, memberId);
  // The worker that had this slot before has left its member id.
  if (worker.predecessorsWill !== undefined) {
    await remove(worker.predecessorsWill).catch((error: unknown) =>
      log.warn({ err: error }, removalFailed),
    );
  }
  const host = await advertisedAddress(config.kafka.brokers);
  const identity = { host, port, hostname: hostname(), name };
  const peers = new Peers({
    own: identity,
    members: () => admin.members(group),
    waitForDeath,
    removeMember: remove,
    log,
  });
  // Before joining: the group would wait for a dead process that had our address.
  await peers.update();
  const member = await joinGroup(
    createClient(config.kafka, log),
    {
      ...{ group, topic: catalog.raw, sessionTimeoutMs, maxFetchBytes, fetchWaitMs, identity },
      concurrency: partitions,
    },
    {
      onBatch: (batch) => processor.onBatch(batch),
      onLost: (reason) => processor.onLost(reason),
      onAssigned: (assigned, memberId) => {
        worker.setLastWill(memberId);
        processor.onAssigned(assigned);
        logs.onAssigned(assigned);
        void peers.update();
      },
    },
    log,
  );
  return { member, peers };
}
