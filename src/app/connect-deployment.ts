/** Connects to the running deployment that the environment names, for commands that inspect it. */

import { connectRegistry } from '../avro/registry.ts';
import { type SchemaName, schemas } from '../avro/schemas.ts';
import type { Config } from '../config/config.ts';
import { AppError } from '../errors.ts';
import { Admin } from '../kafka/admin.ts';
import { type Client, createClient } from '../kafka/client.ts';
import { LogReader } from '../kafka/log-reader.ts';
import { createLog } from '../observability/log.ts';
import { subjectOf, withoutReconcile } from '../topics/catalog.ts';
import type { Deployment } from '../topics/deployment.ts';
import { configOf } from './environment.ts';
import type { Io } from './io.ts';
import { catalogOf } from './routes-file.ts';

export type ConnectedDeployment = Deployment & AsyncDisposable & { readonly client: Client };

/**
 * Connects with the environment's configuration.
 * @throws AppError as `connectDeployment`; CONFIG_INVALID
 */
export function connectFromEnvironment(io: Io): Promise<ConnectedDeployment> {
  const config = configOf(['kafka', 'registry', 'topics', 'processor'], io);
  return connectDeployment({ ...config, topics: withoutReconcile(config.topics) });
}

/**
 * Returns the topic that a setting adds, if it was created.
 * @throws AppError TOPIC_UNFIT
 */
export async function expectOptionalTopic(
  { admin, catalog }: ConnectedDeployment,
  role: 'reference' | 'reconcile',
  setting: string,
): Promise<string> {
  const topic = catalog[role];
  const partitions = topic && (await admin.describe([topic])).get(topic)?.partitions;
  if (role === 'reconcile' && partitions !== undefined && partitions !== 1) {
    const text = `${topic} has ${partitions} partitions: expected 1, for one instance at a time`;
    throw new AppError('TOPIC_UNFIT', 'stop', text);
  }
  if (topic && partitions !== undefined) return topic;
  const text = `there is no ${role} topic: expected ${setting}=true, and \`voucherbus setup\` to have created it`;
  throw new AppError('TOPIC_UNFIT', 'stop', text);
}

/** Returns the registry's id of the schema of a topic's values. @throws AppError SCHEMA_MISSING */
export async function expectSchemaId(
  { registry }: ConnectedDeployment,
  topic: string,
  schema: SchemaName,
): Promise<number> {
  const id = await registry.idOf(subjectOf(topic), schemas[schema].text);
  if (id !== undefined) return id;
  const text = `${subjectOf(topic)} is not registered: \`voucherbus setup\` registers it`;
  throw new AppError('SCHEMA_MISSING', 'stop', text);
}

/** @throws AppError BROKER_UNAVAILABLE; TOPIC_UNFIT if there is no such deployment */
export async function connectDeployment(
  config: Config<'kafka' | 'registry' | 'topics' | 'processor'>,
): Promise<ConnectedDeployment> {
  const catalog = catalogOf(config.topics);
  const log = createLog('silent', 'inspect');
  const client = createClient(config.kafka, log);
  await using connections = new AsyncDisposableStack();
  const admin = await Admin.connect(client);
  connections.defer(() => admin.close());
  const partitions = (await admin.describe([catalog.raw])).get(catalog.raw)?.partitions;
  if (partitions === undefined) {
    const text = `${catalog.raw} does not exist: expected the topics of a running deployment (TOPIC_PREFIX)`;
    throw new AppError('TOPIC_UNFIT', 'stop', text);
  }
  const reader = new LogReader(client);
  connections.defer(() => reader.close());
  const registry = connectRegistry(config.registry, log);
  const opened = connections.move();
  return {
    client,
    reader,
    admin,
    registry,
    catalog,
    group: config.processor.group,
    partitions,
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}
