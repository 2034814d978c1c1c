/**
 * Patches `consumer/consumerGroup`. While the coordinator or a leader is unreachable, KafkaJS
 * crashes the consumer, joins as a new member, and the group waits a session for the old one: 22 to
 * 31 s until the next transaction. Here the member keeps its id, looks for the coordinator in the
 * background, and continues to work, because the leases guard what it writes.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { constantBackoff, retry } from '../../concurrency/retry.ts';
import { settledWithin } from '../../concurrency/timeout.ts';
import {
  type ConsumerGroup,
  isCoordinatorUnavailable,
  isLeaderUnavailable,
  removeClosedBroker,
} from './internals.ts';
import { prototypeOf } from './modules.ts';
import { isSilent } from './silent-brokers.ts';
import { lookUpEveryMs, unavailableTimeoutMs } from './timeouts.ts';

/** A batch waits no longer than this for the response to a heartbeat. */
const heartbeatWaitMs = 500;

export function patchConsumerGroup(): void {
  const prototype = prototypeOf<ConsumerGroup>('consumer/consumerGroup');
  prototype.heartbeat = tolerantHeartbeat(prototype.heartbeat);
  prototype.joinAndSync = repeatedJoin(prototype.joinAndSync);
  prototype.recoverFromFetch = refreshOnFetchFailure(prototype.recoverFromFetch);
}

/**
 * A heartbeat fails only if the coordinator was unreachable for a whole session, or if it reports a
 * change of the group.
 */
function tolerantHeartbeat(heartbeat: ConsumerGroup['heartbeat']): ConsumerGroup['heartbeat'] {
  const unavailableSince = new WeakMap<ConsumerGroup, number>();
  const lookingUp = new WeakSet<ConsumerGroup>();
  const lookUp = (group: ConsumerGroup) => {
    if (lookingUp.has(group)) return;
    lookingUp.add(group);
    void replaceCoordinator(group).finally(() => lookingUp.delete(group));
  };
  const beat = async (group: ConsumerGroup, isOverdue: boolean, options: { interval: number }) => {
    try {
      // KafkaJS compares with the wall clock: after it was set back by an hour, it would send no
      // heartbeat for an hour.
      if (group.lastRequest > Date.now()) group.lastRequest = 0;
      await heartbeat.call(group, options);
      unavailableSince.delete(group);
    } catch (error) {
      if (!isCoordinatorUnavailable(error) || isOverdue) throw error;
      if (!unavailableSince.has(group)) unavailableSince.set(group, performance.now());
      lookUp(group);
    }
  };
  return async function patchedHeartbeat(this: ConsumerGroup, options) {
    const now = performance.now();
    const isOverdue = now - (unavailableSince.get(this) ?? now) >= this.sessionTimeout;
    if (lookingUp.has(this) && !isOverdue) return;
    if (isSilent(this.coordinator.connectionPool) && !isOverdue) return lookUp(this);
    // A later failure is met by the next heartbeat.
    await settledWithin(beat(this, isOverdue, options), heartbeatWaitMs);
  };
}

async function replaceCoordinator(group: ConsumerGroup): Promise<void> {
  await sleep(lookUpEveryMs);
  // If it fails, the next heartbeat fails too, and starts the next search.
  const found = await group.cluster
    .findGroupCoordinator({ groupId: group.groupId })
    .catch(() => undefined);
  if (found) group.coordinator = found;
}

function repeatedJoin(join: ConsumerGroup['joinAndSync']): ConsumerGroup['joinAndSync'] {
  const options = {
    backoff: constantBackoff(lookUpEveryMs),
    isRetriable: isCoordinatorUnavailable,
    timeoutMs: unavailableTimeoutMs,
  };
  return function patchedJoinAndSync(this: ConsumerGroup) {
    return retry(() => join.call(this), options);
  };
}

/**
 * Only the metadata is read again. KafkaJS would count the failure against the consumer's retries,
 * or make the whole group join again.
 */
function refreshOnFetchFailure(
  recover: ConsumerGroup['recoverFromFetch'],
): ConsumerGroup['recoverFromFetch'] {
  return async function patchedRecoverFromFetch(this: ConsumerGroup, error) {
    if (!isLeaderUnavailable(error)) return recover.call(this, error);
    removeClosedBroker(this.cluster, error);
    await sleep(lookUpEveryMs);
    // If the refresh fails, the next fetch fails in the same way.
    await this.cluster.refreshMetadata().catch(() => undefined);
  };
}
