/** The questions and commands about topics and groups that are not for the hot path. */

import { setTimeout as sleep } from 'node:timers/promises';
import { AppError } from '../errors.ts';
import type { Client } from './client.ts';
import { createCluster } from './cluster.ts';
import { asAppError, recoveryOf } from './failure.ts';
import { AssignerProtocol, type Admin as KafkaAdmin } from './kafkajs.ts';
import { decodeMembership, type ProcessIdentity } from './member-metadata.ts';
import { fetchTopicMetadata, type TopicMetadata } from './topic-metadata.ts';

export type TopicState = {
  readonly partitions: number;
  readonly replicationFactor: number;
  /** Every setting of the topic in force, defaults included. */
  readonly config: Readonly<Record<string, string>>;
  /** The settings given to this topic itself. */
  readonly overrides: Readonly<Record<string, string>>;
};

export type TopicSpec = {
  readonly topic: string;
  readonly partitions: number;
  readonly replicationFactor: number;
  readonly config: Readonly<Record<string, string>>;
};

export type Admin = {
  readonly brokerCount: () => Promise<number>;
  /** The topics of these names that exist. */
  readonly describe: (topics: readonly string[]) => Promise<ReadonlyMap<string, TopicState>>;
  /** Which topics stand under these names now; the names of those that do not exist are left out. */
  readonly identify: (topics: readonly string[]) => Promise<ReadonlyMap<string, TopicMetadata>>;
  readonly create: (spec: TopicSpec) => Promise<void>;
  readonly addPartitions: (topic: string, total: number) => Promise<void>;
  /** Sets these and keeps the topic's other overrides (the request by itself would drop them). */
  readonly setConfig: (topic: string, config: Readonly<Record<string, string>>) => Promise<void>;
  /** Deletes topics with everything in them, and waits until they are gone. */
  readonly remove: (topics: readonly string[]) => Promise<void>;
  /** The group's committed offsets by partition. May be stale for a partition whose lease was not taken before. */
  readonly committedOffsets: (group: string, topic: string) => Promise<ReadonlyMap<number, number>>;
  /** Who is in a group of processors; not known while it rebalances. */
  readonly members: (group: string) => Promise<readonly Member[] | undefined>;
  /** How many members a group has, in whatever state it is. */
  readonly memberCount: (group: string) => Promise<number>;
  readonly close: () => Promise<void>;
};

export type Member = {
  readonly memberId: string;
  readonly identity: ProcessIdentity | undefined;
};

const topicResource = 2;

export async function connectAdmin(client: Client): Promise<Admin> {
  const admin = client.admin();
  const cluster = createCluster(client);
  const wrapped = <T>(what: string, run: () => Promise<T>): Promise<T> =>
    run().catch((error: unknown) => {
      throw asAppError(error, what);
    });
  await wrapped('connect to Kafka', () => admin.connect());
  return {
    brokerCount: () =>
      wrapped('describe the cluster', async () => (await admin.describeCluster()).brokers.length),
    describe: (topics) => wrapped('describe topics', () => describe(admin, topics)),
    identify: (topics) =>
      wrapped('read the ids of topics', () => patiently(() => fetchTopicMetadata(cluster, topics))),
    create: (spec) => wrapped(`create ${spec.topic}`, () => create(admin, spec)),
    addPartitions: (topic, count) =>
      wrapped(`add partitions to ${topic}`, async () => {
        await admin.createPartitions({ topicPartitions: [{ topic, count }] });
      }),
    setConfig: (topic, config) =>
      wrapped(`configure ${topic}`, async () => {
        const { overrides = {} } = (await describe(admin, [topic])).get(topic) ?? {};
        const configEntries = entriesOf({ ...overrides, ...config });
        const resources = [{ type: topicResource, name: topic, configEntries }];
        await admin.alterConfigs({ validateOnly: false, resources });
      }),
    remove: (topics) => wrapped(`delete ${topics.join(', ')}`, () => remove(admin, topics)),
    committedOffsets: (groupId, topic) =>
      wrapped(`read the offsets of ${groupId}`, async () => {
        const [found] = await patiently(() => admin.fetchOffsets({ groupId, topics: [topic] }));
        const offsets = found?.partitions ?? [];
        return new Map(
          offsets
            .map(({ partition, offset }) => [partition, Number(offset)] as const)
            .filter(([, offset]) => offset >= 0),
        );
      }),
    members: (group) => wrapped(`describe the group ${group}`, () => membersOf(admin, group)),
    memberCount: (group) =>
      wrapped(`describe the group ${group}`, async () => {
        const { groups } = await patiently(() => admin.describeGroups([group]));
        return groups[0]?.members.length ?? 0;
      }),
    close: async () => {
      await Promise.all([admin.disconnect(), cluster.disconnect()]);
    },
  };
}

/** KafkaJS does not repeat this request when the group's coordinator moves or is loading. 20 × 100 ms. */
async function patiently<T>(request: () => Promise<T>): Promise<T> {
  for (let left = 20; ; left -= 1) {
    try {
      return await request();
    } catch (error) {
      if (left <= 1 || recoveryOf(error) !== 'retry') throw error;
      await sleep(100);
    }
  }
}

async function membersOf(
  admin: KafkaAdmin,
  groupId: string,
): Promise<readonly Member[] | undefined> {
  const { groups } = await patiently(() => admin.describeGroups([groupId]));
  const [group] = groups;
  // In other states the broker leaves out what the members said of themselves.
  if (group?.state !== 'Stable') return undefined;
  return group.members.map(({ memberId, memberMetadata }) => ({
    memberId,
    identity: decodeMembership(AssignerProtocol.MemberMetadata.decode(memberMetadata)?.userData)
      .identity,
  }));
}

async function describe(
  admin: KafkaAdmin,
  topics: readonly string[],
): Promise<ReadonlyMap<string, TopicState>> {
  const existing = new Set(await admin.listTopics());
  const wanted = topics.filter((topic) => existing.has(topic));
  if (wanted.length === 0) return new Map();
  const { topics: metadata } = await admin.fetchTopicMetadata({ topics: wanted });
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: wanted.map((name) => ({ type: topicResource, name })),
  });
  const entries = new Map(
    resources.map(({ resourceName, configEntries }) => [resourceName, configEntries]),
  );
  return new Map(
    metadata.map(({ name, partitions }) => {
      const all = entries.get(name) ?? [];
      return [
        name,
        {
          partitions: partitions.length,
          replicationFactor: partitions[0]?.replicas.length ?? 0,
          config: configOf(all),
          overrides: configOf(all.filter(({ configSource }) => configSource === topicConfigSource)),
        },
      ];
    }),
  );
}

/** DYNAMIC_TOPIC_CONFIG of the DescribeConfigs response. */
const topicConfigSource: number = 1;

type ConfigEntry = { readonly configName: string; readonly configValue: string };

function configOf(entries: readonly ConfigEntry[]): Record<string, string> {
  return Object.fromEntries(entries.map((entry) => [entry.configName, entry.configValue]));
}

function entriesOf(config: Readonly<Record<string, string>>) {
  return Object.entries(config).map(([name, value]) => ({ name, value }));
}

async function remove(admin: KafkaAdmin, topics: readonly string[]): Promise<void> {
  await admin.deleteTopics({ topics: [...topics] });
  for (let left = 100; left > 0; left -= 1) {
    const existing = await admin.listTopics();
    if (!topics.some((topic) => existing.includes(topic))) return;
    await sleep(100);
  }
}

/** KafkaJS's own wait for leaders fails at once on a topic whose metadata has not spread; so it is waited for here, up to 10 s. */
async function create(admin: KafkaAdmin, spec: TopicSpec): Promise<void> {
  const { topic, partitions: numPartitions, replicationFactor, config } = spec;
  const configEntries = entriesOf(config);
  await admin.createTopics({
    waitForLeaders: false,
    topics: [{ topic, numPartitions, replicationFactor, configEntries }],
  });
  for (let left = 100; left > 0; left -= 1) {
    const { topics } = await admin
      .fetchTopicMetadata({ topics: [topic] })
      .catch(() => ({ topics: [] }));
    const ready = topics[0]?.partitions.filter(({ leader }) => leader >= 0).length ?? 0;
    if (ready === numPartitions) return;
    await sleep(100);
  }
  throw new AppError(
    'BROKER_UNAVAILABLE',
    'retry',
    `${topic} has no leaders 10 s after its creation`,
  );
}
