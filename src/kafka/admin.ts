/** Reads and changes topics and groups, outside of the hot path. */

import { constantBackoff, poll, retry } from '../concurrency/retry.ts';
import { AppError } from '../errors.ts';
import type { Client } from './client.ts';
import { type Cluster, createCluster } from './cluster.ts';
import { asAppError, recoveryOf } from './failure.ts';
import { AssignerProtocol, type Admin as KafkaAdmin } from './kafkajs.ts';
import { decodeMembership, type ProcessIdentity } from './member-metadata.ts';
import { fetchTopicMetadata, type TopicMetadata } from './topic-metadata.ts';

export type TopicState = {
  readonly partitions: number;
  readonly replicationFactor: number;
  /** Every setting of the topic in force, defaults included. */
  readonly config: Readonly<Record<string, string>>;
  /** The settings that were set on this topic itself. */
  readonly overrides: Readonly<Record<string, string>>;
};

export type TopicSpec = {
  readonly topic: string;
  readonly partitions: number;
  readonly replicationFactor: number;
  readonly config: Readonly<Record<string, string>>;
};

export type Member = {
  readonly memberId: string;
  /** Undefined if the member does not tell its identity. */
  readonly identity: ProcessIdentity | undefined;
};

/** ConfigResource.Type.TOPIC. */
const topicResource = 2;

const everyMs = 100;

/** Leaders and deletions spread through a cluster within this time. */
const spreadMs = 10_000;

/** Every method throws AppError with what was attempted. */
export class Admin {
  readonly #admin: KafkaAdmin;
  readonly #cluster: Cluster;

  private constructor(client: Client) {
    this.#admin = client.admin();
    this.#cluster = createCluster(client);
  }

  /** @throws AppError BROKER_UNAVAILABLE */
  static async connect(client: Client): Promise<Admin> {
    const admin = new Admin(client);
    await attempt('connect to Kafka', () => admin.#admin.connect());
    return admin;
  }

  brokerCount(): Promise<number> {
    return attempt('describe the cluster', async () => {
      return (await this.#admin.describeCluster()).brokers.length;
    });
  }

  /** Returns the state of those topics that exist. */
  describe(topics: readonly string[]): Promise<ReadonlyMap<string, TopicState>> {
    return attempt('describe topics', () => describe(this.#admin, topics));
  }

  /** Returns id, partitions and permissions of those topics that exist. */
  identify(topics: readonly string[]): Promise<ReadonlyMap<string, TopicMetadata>> {
    return attempt('read the ids of topics', () =>
      patiently(() => fetchTopicMetadata(this.#cluster, topics)),
    );
  }

  /** Creates a topic, and waits until every partition has a leader. */
  create(spec: TopicSpec): Promise<void> {
    return attempt(`create ${spec.topic}`, () => create(this.#admin, spec));
  }

  addPartitions(topic: string, total: number): Promise<void> {
    return attempt(`add partitions to ${topic}`, async () => {
      await this.#admin.createPartitions({ topicPartitions: [{ topic, count: total }] });
    });
  }

  /**
   * Sets these settings and keeps the topic's other overrides, which the request alone would drop.
   */
  setConfig(topic: string, config: Readonly<Record<string, string>>): Promise<void> {
    return attempt(`configure ${topic}`, async () => {
      const { overrides = {} } = (await describe(this.#admin, [topic])).get(topic) ?? {};
      const configEntries = entriesOf({ ...overrides, ...config });
      const resources = [{ type: topicResource, name: topic, configEntries }];
      await this.#admin.alterConfigs({ validateOnly: false, resources });
    });
  }

  /** Deletes topics with all their records, and waits until they are gone. */
  remove(topics: readonly string[]): Promise<void> {
    return attempt(`delete ${topics.join(', ')}`, () => remove(this.#admin, topics));
  }

  /**
   * Returns the group's committed offsets by partition. An offset may be stale if the partition's
   * lease was not taken before.
   */
  committedOffsets(groupId: string, topic: string): Promise<ReadonlyMap<number, number>> {
    return attempt(`read the offsets of ${groupId}`, async () => {
      const [found] = await patiently(() => this.#admin.fetchOffsets({ groupId, topics: [topic] }));
      const offsets = found?.partitions ?? [];
      return new Map(
        offsets
          .map(({ partition, offset }) => [partition, Number(offset)] as const)
          .filter(([, offset]) => offset >= 0),
      );
    });
  }

  /** Returns the members of a group; undefined while it rebalances. */
  members(group: string): Promise<readonly Member[] | undefined> {
    return attempt(`describe the group ${group}`, () => membersOf(this.#admin, group));
  }

  /** Returns the number of members of a group in whatever state. */
  memberCount(group: string): Promise<number> {
    return attempt(`describe the group ${group}`, async () => {
      const { groups } = await patiently(() => this.#admin.describeGroups([group]));
      return groups[0]?.members.length ?? 0;
    });
  }

  async close(): Promise<void> {
    await Promise.all([this.#admin.disconnect(), this.#cluster.disconnect()]);
  }
}

function attempt<T>(what: string, run: () => Promise<T>): Promise<T> {
  return run().catch((error: unknown) => {
    throw asAppError(error, what);
  });
}

/**
 * Retries for 2 s: KafkaJS does not repeat these requests when the group's coordinator moves or is
 * loading.
 */
function patiently<T>(request: () => Promise<T>): Promise<T> {
  return retry(request, {
    backoff: constantBackoff(everyMs),
    maxFailures: 20,
    isRetriable: (error) => recoveryOf(error) === 'retry',
  });
}

async function membersOf(
  admin: KafkaAdmin,
  groupId: string,
): Promise<readonly Member[] | undefined> {
  const { groups } = await patiently(() => admin.describeGroups([groupId]));
  const [group] = groups;
  // In other states the broker leaves out the members' metadata.
  if (group?.state !== 'Stable') return undefined;
  return group.members.map(({ memberId, memberMetadata }) => {
    const { userData } = AssignerProtocol.MemberMetadata.decode(memberMetadata) ?? {};
    return { memberId, identity: decodeMembership(userData).identity };
  });
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
      const overrides = all.filter(({ configSource }) => configSource === topicConfigSource);
      const state = {
        partitions: partitions.length,
        replicationFactor: partitions[0]?.replicas.length ?? 0,
        config: configOf(all),
        overrides: configOf(overrides),
      };
      return [name, state];
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
  const isGone = async () => {
    const existing = await admin.listTopics();
    return topics.some((topic) => existing.includes(topic)) ? undefined : true;
  };
  await poll(isGone, {
    everyMs,
    timeoutMs: spreadMs,
    timeoutError: () => notYet(`${topics.join(', ')} still listed after their deletion`),
  });
}

/**
 * KafkaJS's own wait for leaders fails at once on a topic whose metadata has not spread, so the
 * wait is here.
 */
async function create(admin: KafkaAdmin, spec: TopicSpec): Promise<void> {
  const { topic, partitions: numPartitions, replicationFactor, config } = spec;
  const configEntries = entriesOf(config);
  await admin.createTopics({
    waitForLeaders: false,
    topics: [{ topic, numPartitions, replicationFactor, configEntries }],
  });
  const isReady = async () => {
    const { topics } = await admin
      .fetchTopicMetadata({ topics: [topic] })
      .catch(() => ({ topics: [] }));
    const led = topics[0]?.partitions.filter(({ leader }) => leader >= 0).length ?? 0;
    return led === numPartitions ? true : undefined;
  };
  await poll(isReady, {
    everyMs,
    timeoutMs: spreadMs,
    timeoutError: () => notYet(`${topic} has no leaders after its creation`),
  });
}

function notYet(what: string): AppError {
  const text = `${what}, for ${spreadMs / 1_000} s: is the cluster healthy?`;
  return new AppError('BROKER_UNAVAILABLE', 'retry', text);
}
