/**
 * Patches `cluster`. A coordinator is looked up again after every way of not being reached, and is
 * remembered until a request to a coordinator fails. KafkaJS looks it up before each of the four
 * requests of a transaction.
 */

import { constantBackoff, retry } from '../../concurrency/retry.ts';
import {
  type Broker,
  type Cluster,
  type CoordinatorLookup,
  isCoordinatorUnavailable,
} from './internals.ts';
import { prototypeOf } from './modules.ts';
import { lookUpEveryMs, unavailableTimeoutMs } from './timeouts.ts';

/** Grows with each failure. A coordinator found in an earlier epoch is looked up again. */
let epoch = 0;

export function forgetCoordinators(): void {
  epoch += 1;
}

type Known = { readonly broker: Broker; readonly epoch: number };
const coordinators = new WeakMap<Cluster, Map<string, Known>>();

export function patchCluster(): void {
  prototypeOf<Cluster>('cluster').findGroupCoordinator = findCoordinator;
}

async function findCoordinator(this: Cluster, lookup: CoordinatorLookup): Promise<Broker> {
  const known = coordinators.get(this) ?? new Map<string, Known>();
  coordinators.set(this, known);
  const key = `${lookup.coordinatorType ?? 0} ${lookup.groupId}`;
  const last = known.get(key);
  if (last && last.epoch === epoch && last.broker.isConnected()) return last.broker;
  const broker = await lookUpCoordinator(this, lookup);
  known.set(key, { broker, epoch });
  return broker;
}

function lookUpCoordinator(cluster: Cluster, lookup: CoordinatorLookup): Promise<Broker> {
  const { groupId, coordinatorType = 0 } = lookup;
  const attempt = async () => {
    const found = await cluster.findGroupCoordinatorMetadata({ groupId, coordinatorType });
    return await cluster.findBroker({ nodeId: found.coordinator.nodeId });
  };
  return retry(attempt, {
    backoff: constantBackoff(lookUpEveryMs),
    isRetriable: isCoordinatorUnavailable,
    timeoutMs: unavailableTimeoutMs,
    // If the refresh fails, the next attempt fails in the same way.
    beforeRetry: () => cluster.refreshMetadata().catch(() => undefined),
  });
}
