/**
 * What KafkaJS makes worse when a broker dies or moves. Stock, it takes 22–31 s until a transaction gets through again, long after the cluster
 * has found new leaders (facts: local-broker.md §4). Why, and what is mended:
 *
 * 1. A heartbeat or join that the dead or moved coordinator does not answer ends in a crash (consumerGroup.js:106 and 331, runner.js:154),
 *    after which the consumer joins as a new member, and the group waits a whole session for the old one. Here the member keeps its id, looks
 *    for the coordinator in the background, and works on: its leases guard what it writes.
 * 2. A fetch that meets a dead broker is counted against the consumer's retries and ends in the same crash; one that meets a moved leader makes
 *    the whole group join again (consumerGroup.js:509). Here only the metadata is read again.
 * 3. To ask any broker, KafkaJS takes one at random and gives up when that one cannot be connected (brokerPool.js:278), and begins with the
 *    first of the list, dead or not (brokerPool.js:68). Here those that did not answer lately come last, and the next is asked.
 * 4. Of a cluster with one broker it forgets the last address that it knows, and fails with a TypeError (brokerPool.js:123). Here it keeps it.
 * 5. It looks for a coordinator again after "refused", not after "reset" or "no answer" (cluster/index.js:375). Here after all of them.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import type { Broker } from '../cluster.ts';
import { isSilent } from './connection.ts';
import { requirePart } from './modules.ts';

/** Between two looks for a coordinator or a leader that is away. */
const lookAgainMs = 100;
/** Whoever has work to do waits no longer than this for a heartbeat's answer. */
const answerSoonMs = 500;
/** A coordinator is looked for, and a group joined, for so long: with Kafka's defaults a dead broker is replaced after about 9 s. */
const giveUpAfterMs = 30_000;

type KafkaError = { name?: string; type?: string; cause?: unknown; host?: string; port?: number };

const unreachable = new Set([
  'KafkaJSConnectionError',
  'KafkaJSConnectionClosedError',
  'KafkaJSRequestTimeoutError',
  'KafkaJSBrokerNotFound',
  'KafkaJSLockTimeout',
  'KafkaJSGroupCoordinatorNotFound',
]);
const coordinatorMoved = new Set([
  'NOT_COORDINATOR_FOR_GROUP',
  'GROUP_COORDINATOR_NOT_AVAILABLE',
  'GROUP_LOAD_IN_PROGRESS',
  'REQUEST_TIMED_OUT',
]);
const leaderMoved = new Set([
  'LEADER_NOT_AVAILABLE',
  'NOT_LEADER_FOR_PARTITION',
  'FENCED_LEADER_EPOCH',
  'UNKNOWN_LEADER_EPOCH',
  'UNKNOWN_TOPIC_OR_PARTITION',
  'REPLICA_NOT_AVAILABLE',
  'REQUEST_TIMED_OUT',
]);

/** Whether the error, or what it wraps, is one of these. */
function isOneOf(error: unknown, ...sets: readonly ReadonlySet<string>[]): boolean {
  for (let one = error as KafkaError | undefined; one; one = one.cause as KafkaError | undefined) {
    const { name = '', type = '' } = one;
    if (sets.some((set) => set.has(name) || set.has(type))) return true;
  }
  return false;
}

const isCoordinatorAway = (error: unknown) => isOneOf(error, unreachable, coordinatorMoved);

type Lookup = { readonly groupId: string; readonly coordinatorType?: number };

type PooledBroker = Broker & { readonly connectionPool: { host: string; port: number } };

type Cluster = {
  findGroupCoordinator(lookup: Lookup): Promise<PooledBroker>;
  findGroupCoordinatorMetadata(
    lookup: Required<Lookup>,
  ): Promise<{ coordinator: { nodeId: number } }>;
  findBroker(node: { nodeId: number }): Promise<PooledBroker>;
  refreshMetadata(): Promise<void>;
  removeBroker(address: { host: string; port: number }): void;
};

type ConsumerGroup = {
  /** Of its last heartbeat, by the wall clock. */
  lastRequest: number;
  readonly cluster: Cluster;
  readonly groupId: string;
  readonly sessionTimeout: number;
  coordinator: PooledBroker;
  heartbeat(options: { interval: number }): Promise<void>;
  joinAndSync(): Promise<void>;
  recoverFromFetch(error: unknown): Promise<void>;
};

type BrokerPool = {
  readonly brokers: Readonly<Record<string, PooledBroker>>;
  seedBroker: PooledBroker;
  connect(): Promise<void>;
  removeBroker(address: { host: string; port: number }): void;
  createSeedBroker(): Promise<void>;
  findBroker(node: { nodeId: string }): Promise<Broker>;
  findConnectedBroker(): Promise<Broker>;
  withBroker<T>(ask: (place: { nodeId: string; broker: Broker }) => Promise<T>): Promise<T | null>;
};

export function patchConsumerGroup(): void {
  const { prototype: group } = requirePart('kafkajs/src/consumer/consumerGroup') as {
    prototype: ConsumerGroup;
  };
  group.heartbeat = surviveHeartbeat(group.heartbeat);
  group.joinAndSync = surviveJoin(group.joinAndSync);
  group.recoverFromFetch = surviveFetch(group.recoverFromFetch);
  const { prototype: pool } = requirePart('kafkajs/src/cluster/brokerPool') as {
    prototype: BrokerPool;
  };
  pool.withBroker = askTheNext;
  pool.findConnectedBroker = findConnectedBroker;
  pool.removeBroker = keepTheLast(pool.removeBroker);
  pool.createSeedBroker = avoidSilentSeeds(pool.createSeedBroker);
  const { prototype: cluster } = requirePart('kafkajs/src/cluster') as { prototype: Cluster };
  cluster.findGroupCoordinator = findGroupCoordinator;
}

/** Of a group (type 0) or of a transactional id (type 1). */
async function findGroupCoordinator(this: Cluster, lookup: Lookup): Promise<PooledBroker> {
  const { groupId, coordinatorType = 0 } = lookup;
  for (const deadline = performance.now() + giveUpAfterMs; ; ) {
    try {
      const found = await this.findGroupCoordinatorMetadata({ groupId, coordinatorType });
      return await this.findBroker({ nodeId: found.coordinator.nodeId });
    } catch (error) {
      if (!isCoordinatorAway(error) || performance.now() > deadline) throw error;
      await sleep(lookAgainMs);
      await this.refreshMetadata().catch(() => undefined); // the next attempt meets the same
    }
  }
}

/** Fails only when the coordinator was away for a whole session, or says itself that the group changes. */
function surviveHeartbeat(heartbeat: ConsumerGroup['heartbeat']): ConsumerGroup['heartbeat'] {
  const awaySince = new WeakMap<ConsumerGroup, number>();
  const looking = new WeakSet<ConsumerGroup>();
  const look = (group: ConsumerGroup) => {
    if (looking.has(group)) return;
    looking.add(group);
    void lookForCoordinator(group).finally(() => looking.delete(group));
  };
  const beat = async (group: ConsumerGroup, isOverdue: boolean, options: { interval: number }) => {
    try {
      // Its own pace is told by the wall clock: set back by an hour, that would be an hour without a heartbeat.
      if (group.lastRequest > Date.now()) group.lastRequest = 0;
      await heartbeat.call(group, options);
      awaySince.delete(group);
    } catch (error) {
      if (!isCoordinatorAway(error) || isOverdue) throw error;
      if (!awaySince.has(group)) awaySince.set(group, performance.now());
      look(group);
    }
  };
  return async function surviving(this: ConsumerGroup, options) {
    const isOverdue =
      performance.now() - (awaySince.get(this) ?? performance.now()) >= this.sessionTimeout;
    if (looking.has(this) && !isOverdue) return;
    if (isSilent(this.coordinator.connectionPool) && !isOverdue) return look(this);
    await orAfter(answerSoonMs, beat(this, isOverdue, options));
  };
}

/** Settles as `work` does, or resolves after a time; what `work` throws after that is for whoever asks next to meet. */
async function orAfter(ms: number, work: Promise<void>): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  work.catch(() => undefined);
  await Promise.race([work, promise]).finally(() => clearTimeout(timer));
}

async function lookForCoordinator(group: ConsumerGroup): Promise<void> {
  await sleep(lookAgainMs);
  // What fails here is met again by the next heartbeat, which begins the next look.
  const found = await group.cluster
    .findGroupCoordinator({ groupId: group.groupId })
    .catch(() => undefined);
  if (found) group.coordinator = found;
}

function surviveJoin(join: ConsumerGroup['joinAndSync']): ConsumerGroup['joinAndSync'] {
  return async function surviving(this: ConsumerGroup) {
    for (const deadline = performance.now() + giveUpAfterMs; ; ) {
      try {
        return await join.call(this);
      } catch (error) {
        if (!isCoordinatorAway(error) || performance.now() > deadline) throw error;
        await sleep(lookAgainMs);
      }
    }
  };
}

function surviveFetch(recover: ConsumerGroup['recoverFromFetch']) {
  return async function surviving(this: ConsumerGroup, error: unknown) {
    if (!isOneOf(error, unreachable, leaderMoved)) return recover.call(this, error);
    const { name, host, port } = error as KafkaError;
    if (name === 'KafkaJSConnectionClosedError' && host !== undefined && port !== undefined) {
      this.cluster.removeBroker({ host, port });
    }
    await sleep(lookAgainMs);
    await this.cluster.refreshMetadata().catch(() => undefined); // the next fetch meets the same
  };
}

/** At random; those that did not answer lately come last. */
function inOrder({ brokers }: BrokerPool): readonly string[] {
  const weight = ({ connectionPool }: PooledBroker) =>
    Math.random() + (isSilent(connectionPool) ? 1 : 0);
  return Object.entries(brokers)
    .map(([nodeId, broker]) => ({ nodeId, weight: weight(broker) }))
    .sort((a, b) => a.weight - b.weight)
    .map(({ nodeId }) => nodeId);
}

async function askTheNext<T>(
  this: BrokerPool,
  ask: (place: { nodeId: string; broker: Broker }) => Promise<T>,
): Promise<T | null> {
  let failure: unknown;
  for (const nodeId of inOrder(this)) {
    try {
      return await ask({ nodeId, broker: await this.findBroker({ nodeId }) });
    } catch (error) {
      failure = error;
    }
  }
  if (failure) throw failure;
  return null;
}

/** For metadata. A connected one first, unless it is silent. */
async function findConnectedBroker(this: BrokerPool): Promise<Broker> {
  const nodeIds = inOrder(this);
  const isGood = (nodeId: string) => {
    const broker = this.brokers[nodeId];
    return broker?.isConnected() && !isSilent(broker.connectionPool);
  };
  const connected = nodeIds.filter(isGood);
  for (const nodeId of [...connected, ...nodeIds]) {
    const broker = await this.findBroker({ nodeId }).catch(() => undefined); // then the next
    if (broker) return broker;
  }
  await this.connect();
  return this.seedBroker;
}

function keepTheLast(remove: BrokerPool['removeBroker']): BrokerPool['removeBroker'] {
  return function removing(this: BrokerPool, address) {
    const { seedBroker } = this;
    remove.call(this, address);
    this.seedBroker ??= seedBroker;
  };
}

/** Each call takes the next of KAFKA_BROKERS. */
function avoidSilentSeeds(create: BrokerPool['createSeedBroker']): BrokerPool['createSeedBroker'] {
  const mostSeeds = 16;
  return async function creating(this: BrokerPool) {
    for (let left = mostSeeds; left > 0; left -= 1) {
      await create.call(this);
      if (!isSilent(this.seedBroker.connectionPool)) return;
    }
  };
}
