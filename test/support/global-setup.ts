/**
 * One cluster for all suites of a run: begun by the first, ended by the last. The tests find it in
 * KAFKA_BROKERS and SCHEMA_REGISTRY_URL.
 */

import { type Cluster, startCluster } from './cluster.ts';

type Shared = { cluster?: Promise<Cluster>; users: number };

/** Each project loads this file anew; the process is the same. */
const shared = globalThis as typeof globalThis & { voucherbusCluster?: Shared };

export default async function setup(): Promise<() => Promise<void>> {
  shared.voucherbusCluster ??= { users: 0 };
  const state = shared.voucherbusCluster;
  state.users += 1;
  state.cluster ??= startCluster((line) => process.stderr.write(`· ${line}\n`));
  const cluster = await state.cluster;
  process.env['KAFKA_BROKERS'] = cluster.brokers;
  process.env['SCHEMA_REGISTRY_URL'] = cluster.registryUrl;
  process.stderr.write(`· Kafka ${cluster.brokers} (${cluster.origin})\n`);
  return async () => {
    state.users -= 1;
    if (state.users === 0) await cluster[Symbol.asyncDispose]();
  };
}
