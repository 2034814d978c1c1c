/**
 * Which broker plays which role, whether all replicas are in sync, and who should lead: what a test
 * of brokers' faults asks.
 */

import { createCluster, request } from '../../src/kafka/cluster.ts';
import { ByteWriter, stringSize } from '../../src/kafka/protocol/bytes.ts';
import { transactionalIdOf } from '../../src/topics/catalog.ts';
import { type Deployment, until } from './deployment.ts';
import type { Broker, Brokers } from './way.ts';

type Role = 'raw' | 'output' | 'group coordinator' | 'transaction coordinator';

/** The broker that plays this role now. */
export async function brokerOf(
  role: Role,
  { client, catalog, prefix }: Deployment,
  brokers: Brokers,
): Promise<Broker> {
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
          return (await coordinator(transactionalIdOf(catalog, 0), 1)).nodeId;
      }
    } catch {
      return undefined;
    } finally {
      await cluster.disconnect();
    }
  }, `who is the ${role}`);
  return brokers.nodes.find(({ id }) => id === node) as Broker;
}

/**
 * Until every partition has all its replicas again: with two of three gone, nothing could be
 * acknowledged.
 */
export async function isWhole({ client, catalog }: Deployment): Promise<void> {
  const kafka = client.admin();
  await kafka.connect();
  const ours = new Set(catalog.topics.map(({ name }) => name));
  try {
    await until(async () => {
      try {
        // Kafka's own exist once somebody needed them.
        const names = (await kafka.listTopics()).filter(
          (name) => ours.has(name) || name.startsWith('__'),
        );
        const { topics } = await kafka.fetchTopicMetadata({ topics: names });
        const all = topics.flatMap((topic) => topic.partitions);
        return names.length >= ours.size && all.every(({ isr }) => isr.length === 3);
      } catch {
        return false;
      }
    }, 'all replicas are in sync');
  } finally {
    await kafka.disconnect();
  }
}

/**
 * Sends the request of `kafka-leader-election --election-type preferred`: ElectLeaders, version 0.
 */
export async function electPreferredLeaders({
  client,
  catalog,
  partitions,
}: Deployment): Promise<void> {
  const cluster = createCluster(client);
  await cluster.connect();
  const names = catalog.topics.map(({ name }) => name);
  await cluster.addMultipleTargetTopics(names);
  const size = names.reduce((sum, name) => sum + stringSize(name) + 4 + 4 * partitions, 4 + 4);
  const encode = (head: number) => {
    const body = new ByteWriter(size, head).int32(names.length);
    for (const name of names) {
      body.string(name).int32(partitions);
      for (let partition = 0; partition < partitions; partition += 1) body.int32(partition);
    }
    return body.int32(10_000).buffer;
  };
  const leader = cluster.findTopicPartitionMetadata(catalog.raw)[0]?.leader ?? 1;
  const broker = await cluster.findBroker({ nodeId: leader });
  await request(broker, { key: 43, version: 0, name: 'ElectLeaders' }, encode, 15_000);
  await cluster.disconnect();
}
