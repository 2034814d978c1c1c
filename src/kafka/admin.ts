/** Reads and changes topics and groups, outside of the hot path. */

import { constantBackoff, poll, retry } from '../concurrency/retry.ts';
import { AppError } from '../errors.ts';
import type { Client } from './client.ts';
import { type Cluster, createCluster } from './cluster.ts';
import { type ClusterFacts, fetchClusterFacts } from './cluster-facts.ts';
import { asAppError, isDenied, recoveryOf } from './failure.ts';
import { AssignerProtocol, type Admin as KafkaAdmin } from './kafkajs.ts';
import { decodeMembership, type ProcessIdentity } from './member-metadata.ts';
import { denial, type Operation, type Permission, permission } from './permissions.ts';
import { fetchTopicMetadata, type TopicMetadata, type Topics } from './topic-metadata.ts';

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
  /** The principal of this client, as ACLs name it. */
  readonly principal: string;

  private constructor(client: Client) {
    this.#admin = client.admin();
    this.#cluster = createCluster(client);
    this.principal = client.principal;
  }

  /** @throws AppError BROKER_UNAVAILABLE */
  static async connect(client: Client): Promise<Admin> {
    const admin = new Admin(client);
    await admin.#attempt('connect to Kafka', () => admin.#admin.connect());
    return admin;
  }

  brokerCount(): Promise<number> {
    return this.#attempt('describe the cluster', async () => {
      return (await this.#admin.describeCluster()).brokers.length;
    });
  }

  /** Returns what the cluster supports. */
  facts(): Promise<ClusterFacts> {
    return this.#attempt('read what the cluster supports', () => fetchClusterFacts(this.#cluster));
  }

  /** Returns the state of those topics that exist. */
  describe(topics: readonly string[]): Promise<ReadonlyMap<string, TopicState>> {
    return this.#attempt('describe topics', async () =>
      describe(this.#admin, await this.#find(topics), this.principal),
    );
  }

  /** Returns id and partitions of those topics that exist and may be seen. */
  identify(topics: readonly string[]): Promise<ReadonlyMap<string, TopicMetadata>> {
    return this.#attempt('read the ids of topics', async () => (await this.#find(topics)).found);
  }

  /**
   * Returns the operations that this client may do with those topics that exist, or that may not be
   * seen: with these, none.
   */
  permissions(topics: readonly string[]): Promise<ReadonlyMap<string, ReadonlySet<Operation>>> {
    return this.#attempt('read the permissions on topics', async () => {
      const { found, hidden } = await this.#find(topics);
      return new Map([
        ...[...found].map(([name, { allowed }]) => [name, allowed] as const),
        ...hidden.map((name) => [name, new Set<Operation>()] as const),
      ]);
    });
  }

  /** Creates a topic, and waits until every partition has a leader. */
  create(spec: TopicSpec): Promise<void> {
    return this.#attempt(`create ${spec.topic}`, () => create(this.#admin, spec), [
      permission('CREATE', 'topic', spec.topic),
      permission('CREATE', 'cluster', 'kafka-cluster'),
    ]);
  }

  addPartitions(topic: string, total: number): Promise<void> {
    const add = async () => {
      await this.#admin.createPartitions({ topicPartitions: [{ topic, count: total }] });
    };
    return this.#attempt(`add partitions to ${topic}`, add, [permission('ALTER', 'topic', topic)]);
  }

  /**
   * Sets these settings and keeps the topic's other overrides, which the request alone would drop.
   */
  setConfig(topic: string, config: Readonly<Record<string, string>>): Promise<void> {
    const set = async () => {
      const { overrides = {} } = (await this.describe([topic])).get(topic) ?? {};
      const configEntries = entriesOf({ ...overrides, ...config });
      const resources = [{ type: topicResource, name: topic, configEntries }];
      await this.#admin.alterConfigs({ validateOnly: false, resources });
    };
    return this.#attempt(`configure ${topic}`, set, [permission('ALTER_CONFIGS', 'topic', topic)]);
  }

  /** Deletes topics with all their records, and waits until they are gone. */
  remove(topics: readonly string[]): Promise<void> {
    return this.#attempt(`delete ${topics.join(', ')}`, () => remove(this.#admin, topics));
  }

  /**
   * Returns the group's committed offsets by partition. An offset may be stale if the partition's
   * lease was not taken before.
   */
  committedOffsets(groupId: string, topic: string): Promise<ReadonlyMap<number, number>> {
    const read = async () => {
      const [found] = await patiently(() => this.#admin.fetchOffsets({ groupId, topics: [topic] }));
      const offsets = found?.partitions ?? [];
      return new Map(
        offsets
          .map(({ partition, offset }) => [partition, Number(offset)] as const)
          .filter(([, offset]) => offset >= 0),
      );
    };
    return this.#attempt(`read the offsets of ${groupId}`, read, [
      permission('READ', 'group', groupId),
      permission('DESCRIBE', 'topic', topic),
    ]);
  }

  /** Returns the members of a group; undefined while it rebalances. */
  members(group: string): Promise<readonly Member[] | undefined> {
    return this.#attempt(`describe the group ${group}`, () => membersOf(this.#admin, group), [
      permission('READ', 'group', group),
    ]);
  }

  /** Returns the number of members of a group in whatever state. */
  memberCount(group: string): Promise<number> {
    const count = async () => {
      const { groups } = await patiently(() => this.#admin.describeGroups([group]));
      return groups[0]?.members.length ?? 0;
    };
    return this.#attempt(`describe the group ${group}`, count, [
      permission('READ', 'group', group),
    ]);
  }

  #find(topics: readonly string[]): Promise<Topics> {
    return patiently(() => fetchTopicMetadata(this.#cluster, topics));
  }

  /** @param needs the permissions, so that a missing one is named */
  async #attempt<T>(
    what: string,
    run: () => Promise<T>,
    needs: readonly Permission[] = [],
  ): Promise<T> {
    try {
      return await run();
    } catch (error) {
      throw asAppError(error, what, { principal: this.principal, needs });
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.#admin.disconnect(), this.#cluster.disconnect()]);
  }
}

/**
 * Retries for 2 s: KafkaJS does not repeat these requests when the group's coordinator moves or is
 * loading.
 */
function patiently<T>(request: () => Promise<T>): Promise<T> {
  return retry(request, {
    backoff: constantBackoff(everyMs),
    maxFailures: 20,
    isRetriable: (error) => recoveryOf(error) === 'retry' && !isDenied(error),
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
  { found: existing, hidden }: Topics,
  principal: string,
): Promise<ReadonlyMap<string, TopicState>> {
  const unreadable = [...existing].filter(([, { allowed }]) => !allowed.has('DESCRIBE_CONFIGS'));
  const needs = [
    ...hidden.map((name) => permission('DESCRIBE', 'topic', name)),
    ...unreadable.map(([name]) => permission('DESCRIBE_CONFIGS', 'topic', name)),
  ];
  if (needs.length > 0) throw denial({ principal, needs });
  if (existing.size === 0) return new Map();
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: [...existing.keys()].map((name) => ({ type: topicResource, name })),
  });
  return new Map(
    resources.map(({ resourceName, configEntries: all }) => {
      const { partitions = 0, replicationFactor = 0 } = existing.get(resourceName) ?? {};
      const overrides = all.filter(({ configSource }) => configSource === topicConfigSource);
      const state = {
        partitions,
        replicationFactor,
        config: configOf(all),
        overrides: configOf(overrides),
      };
      return [resourceName, state];
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
