/**
 * KafkaJS's consumer group with scripted brokers, patched. With real brokers:
 * test/failure/brokers.test.ts.
 */

import { createRequire } from 'node:module';
import { expect, test } from 'vitest';
import { errorOfCode } from '../../../../src/kafka/cluster.ts';
import { patchConsumerGroup } from '../../../../src/kafka/kafkajs-patches/consumer-group.ts';

const require = createRequire(import.meta.url);
const ConsumerGroup = require('kafkajs/src/consumer/consumerGroup');
const { KafkaJSConnectionError } = require('kafkajs/src/errors');

/** Results of the stock joinAndSync, one per call. */
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

test('a coordinator that moved or died is replaced, and the member keeps its id', async () => {
  const { group, beat } = aMember([refused, undefined]);
  await beat();
  await tick(150);
  await beat();
  expect([group.coordinator.nodeId, group.memberId]).toEqual([2, 'm']);
});

test('a coordinator that is unreachable for longer than the session is an error', async () => {
  const { beat } = aMember([refused, refused, refused, refused, refused], 2_000);
  await beat();
  await tick(150);
  await beat();
  await tick(2_000);
  await expect(beat()).rejects.toThrow('ECONNREFUSED');
});

test('a rebalance error reaches the consumer at once and unchanged', async () => {
  const { beat } = aMember([unknownMember]);
  await expect(beat()).rejects.toBe(unknownMember);
});

test('a heartbeat does not wait for a coordinator that hangs', async () => {
  const { group, beat } = aMember([]);
  group.coordinator.heartbeat = () => new Promise(() => {});
  expect(await Promise.race([beat().then(() => 'went on'), tick(2_000)])).toBe('went on');
});

test('a join is repeated after the coordinator moved, and after no other error', async () => {
  const { group } = aMember([]);
  joins = [notCoordinator, refused, undefined];
  await group.joinAndSync();
  expect(joins).toEqual([]);
  joins = [errorOfCode(24), undefined];
  await expect(group.joinAndSync()).rejects.toMatchObject({ type: 'INVALID_GROUP_ID' });
});

test('a fetch from a moved leader or a dead broker refreshes the metadata, and the group does not rejoin', async () => {
  const { group, refreshed } = aMember([]);
  joins = [undefined];
  await group.recoverFromFetch(notLeader);
  await group.recoverFromFetch(refused);
  expect(refreshed()).toBe(2);
  expect(joins.length).toBe(1);
});

test('heartbeats go on after the clock was set back', async () => {
  const { group, beat } = aMember([]);
  let beats = 0;
  group.coordinator.heartbeat = async () => {
    beats += 1;
  };
  group.lastRequest = Date.now() + 3_600_000;
  await beat();
  expect(beats).toBe(1);
});
