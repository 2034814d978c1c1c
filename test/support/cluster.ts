/**
 * The one seam to a broker and a registry, for the tests, the demo and the benchmarks (design: "Where Kafka comes from"):
 * what KAFKA_BROKERS and SCHEMA_REGISTRY_URL name; else containers; else the jars. Whoever uses it can not tell which.
 */

import { startContainers } from './containers.ts';
import { startJars } from './jars.ts';
import type { Cluster, Say } from './way.ts';

/** @throws Error that says in one sentence what to install, where no way is open */
export async function startCluster(say: Say): Promise<Cluster> {
  const brokers = process.env['KAFKA_BROKERS'];
  const registryUrl = process.env['SCHEMA_REGISTRY_URL'];
  if (brokers && registryUrl) {
    const origin = `KAFKA_BROKERS=${brokers}`;
    return { brokers, registryUrl, origin, [Symbol.asyncDispose]: async () => {} };
  }
  for (const way of [startContainers, startJars]) {
    const cluster = await way(say);
    if (cluster) return cluster;
  }
  throw new Error(
    'No Kafka can be had here: install a Docker engine, or Java 17 or newer with Maven (mvn), or set KAFKA_BROKERS and SCHEMA_REGISTRY_URL.',
  );
}
