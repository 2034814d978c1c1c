/** What every benchmark shares: the cluster from the environment, topics and schemas of a prefix of its own, and a silent log. */

import { connectRegistry } from '../src/codec/registry.ts';
import { schemas } from '../src/codec/schemas.ts';
import { readConfig } from '../src/config/read.ts';
import { type Admin, connectAdmin } from '../src/kafka/admin.ts';
import { createClient } from '../src/kafka/client.ts';
import { createLog } from '../src/observability/log.ts';
import { applyChange } from '../src/topics/apply.ts';
import { type Catalog, createCatalog } from '../src/topics/catalog.ts';
import { planTopics } from '../src/topics/plan.ts';
import { lookUpIds, subjectsOf } from '../src/topics/subjects.ts';

export type Setting = Awaited<ReturnType<typeof prepare>>;

export const log = createLog('silent', 'bench');

export async function prepare(prefix: string, partitions: number) {
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    TOPIC_PREFIX: prefix,
    PARTITIONS: String(partitions),
  };
  const config = readConfig(['kafka', 'registry', 'topics'], { env, readFile: () => '' });
  const catalog = createCatalog(config.topics);
  const client = createClient(config.kafka, log);
  const admin = await connectAdmin(client);
  await applyTopics(catalog, admin);
  const registry = connectRegistry(config.registry);
  for (const { subject, schema } of subjectsOf(catalog)) {
    await registry.register(subject, schemas[schema].text, schemas[schema].compatibility);
  }
  const ids = await lookUpIds(registry, catalog);
  return {
    env,
    catalog,
    client,
    admin,
    registry,
    schemaId: (topic: string) => ids.get(topic) ?? -1,
  };
}

export async function applyTopics(catalog: Catalog, admin: Admin): Promise<void> {
  const existing = await admin.describe(catalog.topics.map(({ name }) => name));
  const cluster = { brokerCount: 1, replicationFactor: 1 };
  for (const change of planTopics(catalog, existing, cluster)) await applyChange(admin, change);
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

export function say(line: string): void {
  process.stderr.write(`· ${line}\n`);
}
