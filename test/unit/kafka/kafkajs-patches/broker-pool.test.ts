import { createRequire } from 'node:module';
import { expect, test } from 'vitest';
import { patchBrokerPool } from '../../../../src/kafka/kafkajs-patches/broker-pool.ts';

const require = createRequire(import.meta.url);
const BrokerPool = require('kafkajs/src/cluster/brokerPool');
const { KafkaJSConnectionError } = require('kafkajs/src/errors');
patchBrokerPool();

const refused = new KafkaJSConnectionError('Connection error: connect ECONNREFUSED', {
  code: 'ECONNREFUSED',
});

/** A pool of the brokers 1 to `count`; the dead ones cannot be connected. */
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

test('if one broker cannot be connected, the next one is tried', async () => {
  for (let i = 0; i < 20; i += 1) {
    const pool = aPool(3, [1, 3]);
    expect(await pool.withBroker(async ({ nodeId }: { nodeId: string }) => nodeId)).toBe('2');
    expect((await pool.findConnectedBroker()).nodeId).toBe(2);
  }
});

test('if no broker can be connected, the error says why', async () => {
  await expect(aPool(2, [1, 2]).withBroker(async () => 'x')).rejects.toBe(refused);
});

test('the last known address of a cluster with one broker is kept', () => {
  const pool = aPool(1, []);
  const only = pool.brokers[1];
  pool.seedBroker = only;
  pool.removeBroker({ host: 'p', port: 1 });
  expect(pool.seedBroker).toBe(only);
});
