/**
 * The one seam to brokers and a registry, for the tests, the demo and the benchmarks (design:
 * "Where Kafka comes from"): what KAFKA_BROKERS and SCHEMA_REGISTRY_URL name; else containers; else
 * the jars (BROKERS_FROM=jars: at once). Its users cannot tell which.
 */

import { containers } from './containers.ts';
import { jars } from './jars.ts';
import type { Access, Brokers, Means, Say } from './way.ts';

export type Cluster = AsyncDisposable & {
  readonly brokers: string;
  readonly registryUrl: string;
  /** Its origin, for people. */
  readonly origin: string;
};

/**
 * One broker and a registry.
 * @throws Error that says in one sentence what to install, where no way is open
 */
export async function startCluster(say: Say): Promise<Cluster> {
  const brokers = process.env['KAFKA_BROKERS'];
  const registryUrl = process.env['SCHEMA_REGISTRY_URL'];
  if (brokers && registryUrl) {
    const origin = `KAFKA_BROKERS=${brokers}`;
    return { brokers, registryUrl, origin, [Symbol.asyncDispose]: async () => {} };
  }
  const means = await openWay(say);
  say(`starting ${means.origin}`);
  await using started = new AsyncDisposableStack();
  const [kafka, registry] = await Promise.all([
    means.startBrokers(1),
    means.startRegistry(),
  ] as const);
  started.use(kafka);
  started.use(registry);
  const stack = started.move();
  return {
    brokers: kafka.bootstrap,
    registryUrl: registry.url,
    origin: means.origin,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/**
 * Three brokers that a test may kill: never those of KAFKA_BROKERS. Replication factor 3,
 * min.insync.replicas 2 for Kafka's own topics.
 */
export async function startThreeBrokers(say: Say): Promise<Brokers> {
  const means = await openWay(say);
  say(`starting three brokers: ${means.origin}`);
  return means.startBrokers(3);
}

/** One broker of this access. The registry is the shared one. */
export async function startBrokers(say: Say, access: Access): Promise<Brokers> {
  return (await openWay(say)).startBrokers(1, access);
}

async function openWay(say: Say): Promise<Means> {
  for (const way of process.env['BROKERS_FROM'] === 'jars' ? [jars] : [containers, jars]) {
    const means = await way(say);
    if (means) return means;
  }
  throw new Error(
    'No Kafka can be had here: install a Docker engine, or Java 17 or newer with Maven (mvn), or set KAFKA_BROKERS and SCHEMA_REGISTRY_URL.',
  );
}
