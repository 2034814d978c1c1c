/**
 * Computes the changes that make the cluster's topics those of the catalog. Pure: `apply.ts`
 * carries them out.
 */

import type { TopicSpec, TopicState } from '../kafka/admin.ts';
import { type Catalog, type CatalogTopic, leastInsync } from './catalog.ts';

export type Change =
  | ({ readonly kind: 'create' } & TopicSpec)
  | {
      readonly kind: 'add-partitions';
      readonly topic: string;
      readonly from: number;
      readonly to: number;
    }
  | {
      readonly kind: 'set-config';
      readonly topic: string;
      readonly config: Readonly<Record<string, string>>;
      readonly before: Readonly<Record<string, string | undefined>>;
    }
  /** A change that a person must make. */
  | { readonly kind: 'refuse'; readonly topic: string; readonly reason: string };

type Existing = ReadonlyMap<string, TopicState>;
type Cluster = { readonly brokerCount: number; readonly replicationFactor: number | undefined };

/**
 * At most 3 replicas unless configured: with min.insync.replicas 2, one broker may fail and nothing
 * acknowledged is lost.
 */
const usualReplicas = 3;

export function planTopics(
  catalog: Catalog,
  existing: Existing,
  cluster: Cluster,
): readonly Change[] {
  const replicas = cluster.replicationFactor ?? Math.min(usualReplicas, cluster.brokerCount);
  const minInsync = String(leastInsync(replicas));
  return catalog.topics.flatMap((wanted): readonly Change[] => {
    const state = existing.get(wanted.name);
    if (state === undefined) {
      const config = { ...wanted.config, 'min.insync.replicas': minInsync };
      const { name: topic, partitions } = wanted;
      return [{ kind: 'create', topic, partitions, replicationFactor: replicas, config }];
    }
    return [...planPartitions(wanted, state), ...planConfig(wanted, state)];
  });
}

function planPartitions(
  { name, role, partitions }: CatalogTopic,
  state: TopicState,
): readonly Change[] {
  if (state.partitions === partitions) return [];
  if (state.partitions > partitions) {
    const reason = `it has ${state.partitions} partitions, PARTITIONS is ${partitions}: Kafka cannot take partitions away`;
    return role === 'raw' || role === 'journal' ? [{ kind: 'refuse', topic: name, reason }] : [];
  }
  if (role === 'raw' || role === 'journal') {
    const reason = `it has ${state.partitions} partitions, PARTITIONS is ${partitions}: more would move keys away from the memory of their ids. To grow, create a second deployment under a new TOPIC_PREFIX, switch the webhook to it, and let the old one drain`;
    return [{ kind: 'refuse', topic: name, reason }];
  }
  return [{ kind: 'add-partitions', topic: name, from: state.partitions, to: partitions }];
}

function planConfig({ name, config }: CatalogTopic, state: TopicState): readonly Change[] {
  const changed = Object.entries(config).filter(([key, value]) => state.config[key] !== value);
  if (changed.length === 0) return [];
  const before = Object.fromEntries(changed.map(([key]) => [key, state.config[key]]));
  return [{ kind: 'set-config', topic: name, config: Object.fromEntries(changed), before }];
}

/** Returns one line for people. */
export function describeChange(change: Change): string {
  switch (change.kind) {
    case 'create':
      return `create ${change.topic}: ${change.partitions} partitions, ${change.replicationFactor} replicas, retention ${days(change.config['retention.ms'])}`;
    case 'add-partitions':
      return `add partitions to ${change.topic}: ${change.from} to ${change.to}`;
    case 'set-config': {
      const settings = Object.entries(change.config).map(
        ([key, value]) => `${key} ${change.before[key] ?? '(unset)'} to ${value}`,
      );
      return `configure ${change.topic}: ${settings.join(', ')}`;
    }
    case 'refuse':
      return `REFUSED ${change.topic}: ${change.reason}`;
  }
}

function days(ms: string | undefined): string {
  if (ms === '-1') return 'forever, compacted';
  const value = Number(ms) / 86_400_000;
  return Number.isInteger(value) ? `${value} d` : `${ms} ms`;
}
