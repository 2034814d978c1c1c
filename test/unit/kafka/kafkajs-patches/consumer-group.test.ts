/** KafkaJS's own consumer group, broker pool and cluster with scripted brokers, mended. With real brokers: test/failure/brokers.test.ts. */

import { createRequire } from 'node:module';
import { expect, test } from 'vitest';
import { errorOfCode } from '../../../../src/kafka/cluster.ts';
import { patchConsumerGroup } from '../../../../src/kafka/kafkajs-patches/consumer-group.ts';

const require = createRequire(import.meta.url);
const ConsumerGroup = require('kafkajs/src/consumer/consumerGroup');
const BrokerPool = require('kafkajs/src/cluster/brokerPool');
const Cluster = require('kafkajs/src/cluster');
const { KafkaJSConnectionError } = require('kafkajs/src/errors');

/** What the stock joinAndSync does, one entry for each call. */
let joins: (Error | undefined)[] = [];
ConsumerGroup.prototype.joinAndSync = async function scripted() {
  const next = joins.shift();
  if (next) throw next;
};
patchConsumerGroup();

const logger = { debug() {}, error() {}, info() {}, warn() {} };
const notCoordinator = errorOfCode(16);
const unknownMember = errorOfCode(25);
const notLeader = errorOfCode(6);
const refused = new KafkaJSConnectionError('Connection error: connect ECONNREFUSED', {
  code: 'ECONNREFUSED',
});

const tick = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** A member whose coordinator answers heartbeats with these, in turn. */
function aMember(answers: (Error | undefined)[], sessionTimeout = 1_000) {
  let refreshed = 0;
  const broker = (nodeId: number) => ({
    nodeId,
    connectionPool: { host: 'h', port: nodeId },
    heartbeat: async () => {
      const next = answers.shift();
      if (next) throw next;
    },
  });
  const group = new ConsumerGroup({
    logger: { namespace: () => logger },
    instrumentationEmitter: { emit() {} },
    groupId: 'g',
    sessionTimeout,
    cluster: {
      findGroupCoordinator: async () => broker(2),
      refreshMetadata: async () => {
        refreshed += 1;
      },
      removeBroker() {},
    },
  });
  group.memberId = 'm';
  group.coordinator = broker(1);
  group.lastRequest = 0;
  return { group, refreshed: () => refreshed, beat: () => group.heartbeat({ interval: 0 }) };
}

test('a coordinator that moved or died is looked for, and the member stays the same', async () => {
  const { group, beat } = aMember([refused, undefined]);
  await beat();
  await tick(150);
  await beat();
  expect([group.coordinator.nodeId, group.memberId]).toEqual([2, 'm']);
});

test('a coordinator that is away for longer than the session is an error', async () => {
  const { beat } = aMember([refused, refused, refused, refused, refused], 200);
  await beat();
  await tick(150);
  await beat();
  await tick(150);
  await expect(beat()).rejects.toThrow('ECONNREFUSED');
});

test('that the group changes reaches the consumer at once and untouched', async () => {
  const { beat } = aMember([unknownMember]);
  await expect(beat()).rejects.toBe(unknownMember);
});

test('who has work to do does not wait for a coordinator that hangs', async () => {
  const { group, beat } = aMember([]);
  group.coordinator.heartbeat = () => new Promise(() => {});
  expect(await Promise.race([beat().then(() => 'went on'), tick(2_000)])).toBe('went on');
});

test('a join that meets a moved coordinator is tried again, any other failure is not', async () => {
  const { group } = aMember([]);
  joins = [notCoordinator, refused, undefined];
  await group.joinAndSync();
  expect(joins).toEqual([]);
  joins = [errorOfCode(24), undefined];
  await expect(group.joinAndSync()).rejects.toMatchObject({ type: 'INVALID_GROUP_ID' });
});

test('a fetch that meets a moved leader or a dead broker reads the metadata again, and the group does not join again', async () => {
  const { group, refreshed } = aMember([]);
  joins = [undefined];
  await group.recoverFromFetch(notLeader);
  await group.recoverFromFetch(refused);
  expect(refreshed()).toBe(2);
  expect(joins.length).toBe(1);
});

/** Brokers 1 … n, of which these cannot be connected. */
function aPool(count: number, dead: readonly number[]) {
  const pool = Object.create(BrokerPool.prototype);
  pool.brokers = Object.fromEntries(
    Array.from({ length: count }, (_, i) => [
      i + 1,
      { nodeId: i + 1, isConnected: () => false, connectionPool: { host: 'p', port: i + 1 } },
    ]),
  );
  pool.findBroker = async ({ nodeId }: { nodeId: string }) => {
    if (dead.includes(Number(nodeId))) throw refused;
    return pool.brokers[nodeId];
  };
  return pool;
}

test('where one broker cannot be connected, the next is asked', async () => {
  for (let i = 0; i < 20; i += 1) {
    const pool = aPool(3, [1, 3]);
    expect(await pool.withBroker(async ({ nodeId }: { nodeId: string }) => nodeId)).toBe('2');
    expect((await pool.findConnectedBroker()).nodeId).toBe(2);
  }
});

test('where none can be connected, it says why', async () => {
  await expect(aPool(2, [1, 2]).withBroker(async () => 'x')).rejects.toBe(refused);
});

test('of a cluster with one broker the last known address is kept', () => {
  const pool = aPool(1, []);
  const only = pool.brokers[1];
  pool.seedBroker = only;
  pool.removeBroker({ host: 'p', port: 1 });
  expect(pool.seedBroker).toBe(only);
});

test('a coordinator is looked for again after any way of not being reached', async () => {
  const cluster = Object.create(Cluster.prototype);
  const reset = new KafkaJSConnectionError('Connection error: read ECONNRESET', {});
  const script = [reset, errorOfCode(15)];
  cluster.refreshMetadata = async () => {};
  cluster.findGroupCoordinatorMetadata = async () => {
    const next = script.shift();
    if (next) throw next;
    return { coordinator: { nodeId: 7 } };
  };
  cluster.findBroker = async ({ nodeId }: { nodeId: number }) => ({ nodeId });
  expect(await cluster.findGroupCoordinator({ groupId: 'g' })).toEqual({ nodeId: 7 });
});

test('a clock that was set back does not stop the heartbeats', async () => {
  const { group, beat } = aMember([]);
  let beats = 0;
  group.coordinator.heartbeat = async () => {
    beats += 1;
  };
  group.lastRequest = Date.now() + 3_600_000;
  await beat();
  expect(beats).toBe(1);
});
