/** Brokers die, hang, restart and hand partitions over while the flow runs: three brokers, replication factor 3, min.insync.replicas 2. */

import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ByteWriter, stringSize } from '../../src/kafka/bytes.ts';
import { createCluster, request } from '../../src/kafka/internals.ts';
import { startThreeBrokers } from '../support/cluster.ts';
import { aDeployment, type Deployment, until } from '../support/deployment.ts';
import { startFlow } from '../support/flow.ts';
import { bounded, soakTest } from '../support/soak.ts';
import type { Broker, Brokers } from '../support/way.ts';

let brokers: Brokers;

beforeAll(async () => {
  brokers = await startThreeBrokers((line) => process.stderr.write(`· ${line}\n`));
});
afterAll(() => brokers[Symbol.asyncDispose]());

const partitions = 6;
const load = { count: 20_000, concurrency: 40, perSecond: 1_500 };

const onThree = () => aDeployment(partitions, { KAFKA_BROKERS: brokers.bootstrap });

/** A flow through one bridge and two processors, at least until `faults` are over. Every publication once, whatever happened. */
async function whileFlowing(deployment: Deployment, faults: () => Promise<void>) {
  const bridge = await deployment.start('bridge');
  await Promise.all([deployment.start('processor'), deployment.start('processor')]);
  let isEnough = false;
  const flow = startFlow(deployment, bridge.url, { ...load, isEnough: () => isEnough });
  await sleep(1_000);
  await faults();
  isEnough = true;
  // The bridge may say 503 when no leader takes a webhook in time: then it has not acknowledged it.
  const { counts } = await flow.check({ mayRefuse: true });
  expect(counts['acknowledged']).toBeGreaterThan(10_000);
}

type Role = 'raw' | 'output' | 'group coordinator' | 'transaction coordinator';

/** The broker that plays this role now. */
async function brokerOf(role: Role, { client, catalog, prefix }: Deployment): Promise<Broker> {
  const node = await until(async () => {
    const cluster = createCluster(client) as ReturnType<typeof createCluster> & {
      findGroupCoordinator(lookup: object): Promise<{ nodeId: number }>;
    };
    try {
      await cluster.connect();
      await cluster.addMultipleTargetTopics([catalog.raw, catalog.publications.other]);
      const coordinator = (groupId: string, coordinatorType: number) =>
        cluster.findGroupCoordinator({ groupId, coordinatorType });
      switch (role) {
        case 'raw':
          return cluster.findTopicPartitionMetadata(catalog.raw)[0]?.leader;
        case 'output':
          return cluster.findTopicPartitionMetadata(catalog.publications.other)[0]?.leader;
        case 'group coordinator':
          return (await coordinator(prefix, 0)).nodeId;
        case 'transaction coordinator':
          return (await coordinator(`${prefix}.${catalog.raw}.0`, 1)).nodeId;
      }
    } catch {
      return undefined;
    } finally {
      await cluster.disconnect();
    }
  }, `who is the ${role}`);
  return brokers.nodes.find(({ id }) => id === node) as Broker;
}

/** Until every partition has all its replicas again: with two of three gone, nothing could be acknowledged. */
async function isWhole({ client, catalog }: Deployment): Promise<void> {
  const kafka = client.admin();
  await kafka.connect();
  try {
    await until(async () => {
      const { topics } = await kafka
        .fetchTopicMetadata({
          topics: [
            ...catalog.topics.map(({ name }) => name),
            '__consumer_offsets',
            '__transaction_state',
          ],
        })
        .catch(() => ({ topics: [] }));
      const all = topics.flatMap((topic) => topic.partitions);
      return all.length > 0 && all.every(({ isr }) => isr.length === 3);
    }, 'all replicas are in sync');
  } finally {
    await kafka.disconnect();
  }
}

test('the leader of raw, of an output, the group coordinator and the transaction coordinator are killed in turn: every publication once', async () => {
  await using deployment = await onThree();
  await whileFlowing(deployment, async () => {
    const roles = ['raw', 'output', 'group coordinator', 'transaction coordinator'] as const;
    for (const role of roles) {
      const broker = await brokerOf(role, deployment);
      await broker.kill();
      await sleep(bounded(3_000, 8_000));
      await broker.start();
      await isWhole(deployment);
    }
  });
});

test('a broker hangs for longer than its session and comes back: every publication once', async () => {
  await using deployment = await onThree();
  await whileFlowing(deployment, async () => {
    const broker = await brokerOf('transaction coordinator', deployment);
    await broker.pause();
    await sleep(bounded(6_000, 20_000));
    await broker.resume();
    await isWhole(deployment);
  });
});

test('all three brokers are restarted one after the other, and leaders go back to where they belong under load: every publication once', async () => {
  await using deployment = await onThree();
  await whileFlowing(deployment, async () => {
    for (const broker of brokers.nodes) {
      await broker.stop();
      await broker.start();
      await isWhole(deployment);
    }
    await electPreferredLeaders(deployment);
    await sleep(3_000);
  });
});

soakTest(
  'leaders move back and forth under load, again and again: every publication once',
  async () => {
    await using deployment = await onThree();
    await whileFlowing(deployment, async () => {
      for (let rounds = 0; rounds < 10; rounds += 1) {
        const broker = await brokerOf('raw', deployment);
        await broker.stop();
        await broker.start();
        await isWhole(deployment);
        await electPreferredLeaders(deployment);
        await sleep(1_000);
      }
    });
  },
);

/** What `kafka-leader-election --election-type preferred` asks for: ElectLeaders, version 0. */
async function electPreferredLeaders({ client, catalog }: Deployment): Promise<void> {
  const cluster = createCluster(client);
  await cluster.connect();
  const names = catalog.topics.map(({ name }) => name);
  await cluster.addMultipleTargetTopics(names);
  const size = names.reduce((sum, name) => sum + stringSize(name) + 4 + 4 * partitions, 4 + 4);
  const body = new ByteWriter(size).int32(names.length);
  for (const name of names) {
    body.string(name).int32(partitions);
    for (let partition = 0; partition < partitions; partition += 1) body.int32(partition);
  }
  body.int32(10_000);
  const leader = cluster.findTopicPartitionMetadata(catalog.raw)[0]?.leader ?? 1;
  const broker = await cluster.findBroker({ nodeId: leader });
  await request(broker, { key: 43, version: 0, name: 'ElectLeaders' }, body.buffer, 15_000);
  await cluster.disconnect();
}
