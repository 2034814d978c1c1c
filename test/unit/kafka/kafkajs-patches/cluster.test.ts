import { createRequire } from 'node:module';
import { expect, test } from 'vitest';
import { errorOfCode } from '../../../../src/kafka/cluster.ts';
import { forgetCoordinators, patchCluster } from '../../../../src/kafka/kafkajs-patches/cluster.ts';

const require = createRequire(import.meta.url);
const Cluster = require('kafkajs/src/cluster');
const { KafkaJSConnectionError } = require('kafkajs/src/errors');
patchCluster();

/** A cluster whose look-ups of a coordinator fail with these errors, and then find broker 7. */
function aCluster(errors: Error[] = []) {
  let lookups = 0;
  const cluster = Object.create(Cluster.prototype);
  cluster.refreshMetadata = async () => {};
  cluster.findGroupCoordinatorMetadata = async () => {
    lookups += 1;
    const next = errors.shift();
    if (next) throw next;
    return { coordinator: { nodeId: 7 } };
  };
  cluster.findBroker = async ({ nodeId }: { nodeId: number }) => ({
    nodeId,
    isConnected: () => true,
  });
  return { cluster, lookups: () => lookups };
}

test('a coordinator is looked up again after every way of not being reached', async () => {
  const reset = new KafkaJSConnectionError('Connection error: read ECONNRESET', {});
  const { cluster } = aCluster([reset, errorOfCode(15)]);
  expect(await cluster.findGroupCoordinator({ groupId: 'g' })).toMatchObject({ nodeId: 7 });
});

test('any other error is not retried', async () => {
  const { cluster, lookups } = aCluster([errorOfCode(24)]);
  await expect(cluster.findGroupCoordinator({ groupId: 'g' })).rejects.toMatchObject({
    type: 'INVALID_GROUP_ID',
  });
  expect(lookups()).toBe(1);
});

test('a coordinator is looked up once, and again after a request to a coordinator failed', async () => {
  const { cluster, lookups } = aCluster();
  const find = () => cluster.findGroupCoordinator({ groupId: 'g', coordinatorType: 1 });
  await find();
  await find();
  expect(lookups()).toBe(1);
  forgetCoordinators();
  await find();
  expect(lookups()).toBe(2);
});
