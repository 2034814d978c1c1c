/**
 * Topics and schemas under a prefix, made in this process: what the tests' deployments and the
 * benchmarks stand on.
 */

import { catalogOf } from '../../src/app/routes-file.ts';
import { retryAtStart } from '../../src/app/startup.ts';
import { connectRegistry } from '../../src/avro/registry.ts';
import { schemas } from '../../src/avro/schemas.ts';
import { readConfig } from '../../src/config/read.ts';
import { Admin } from '../../src/kafka/admin.ts';
import { type Client, createClient } from '../../src/kafka/client.ts';
import { createLog } from '../../src/observability/log.ts';
import { applyChange } from '../../src/topics/apply.ts';
import type { Catalog } from '../../src/topics/catalog.ts';
import { planTopics } from '../../src/topics/plan.ts';
import { lookUpIds, subjectsOf } from '../../src/topics/subjects.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * @param env with TOPIC_PREFIX and PARTITIONS; the cluster is that of KAFKA_BROKERS and
 * SCHEMA_REGISTRY_URL
 */
export async function prepared(env: Environment) {
  const config = readConfig(['kafka', 'registry', 'start', 'topics'], { env, readFile: () => '' });
  const catalog = catalogOf(config.topics);
  const log = createLog('silent', 'test');
  const client = createClient(config.kafka, log);
  const admin = await Admin.connect(client);
  const registry = connectRegistry(config.registry, log);
  await applyTopics(catalog, admin);
  for (const { subject, schema } of subjectsOf(catalog)) {
    const { text, compatibility } = schemas[schema];
    await retryAtStart(config.start, log, () => registry.register(subject, text, compatibility));
  }
  const ids = await retryAtStart(config.start, log, () => lookUpIds(registry, catalog));
  return { catalog, client, admin, registry, schemaId: (topic: string) => ids.get(topic) ?? -1 };
}

/** A client of the given environment. */
export function clientOf(env: Environment): Client {
  const { kafka } = readConfig(['kafka'], { env, readFile: () => '' });
  return createClient(kafka, createLog('silent', 'test'));
}

/** Makes what is missing. */
export async function applyTopics(catalog: Catalog, admin: Admin): Promise<void> {
  const existing = await admin.describe(catalog.topics.map(({ name }) => name));
  const cluster = { brokerCount: await admin.brokerCount(), replicationFactor: undefined };
  for (const change of planTopics(catalog, existing, cluster)) await applyChange(admin, change);
}
