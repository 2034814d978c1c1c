/** The running deployment that the environment names, opened for those who look at it. */

import { connectRegistry } from '../avro/registry.ts';
import type { Config } from '../config/config.ts';
import { AppError } from '../errors.ts';
import { connectAdmin } from '../kafka/admin.ts';
import { type Client, createClient } from '../kafka/client.ts';
import { createReader } from '../kafka/log-reader.ts';
import { createLog } from '../observability/log.ts';
import type { Deployment } from '../topics/deployment.ts';
import { catalogOf } from './routes-file.ts';

/** @throws AppError BROKER_UNAVAILABLE; TOPIC_UNFIT where there is no such deployment */
export async function connectDeployment(
  config: Config<'kafka' | 'registry' | 'topics' | 'processor'>,
): Promise<Deployment & AsyncDisposable & { readonly client: Client }> {
  const catalog = catalogOf(config.topics);
  const client = createClient(config.kafka, createLog('silent', 'console'));
  await using connections = new AsyncDisposableStack();
  const admin = await connectAdmin(client);
  connections.defer(admin.close);
  const partitions = (await admin.describe([catalog.raw])).get(catalog.raw)?.partitions;
  if (partitions === undefined) {
    const text = `${catalog.raw} does not exist: expected the topics of a running deployment (TOPIC_PREFIX)`;
    throw new AppError('TOPIC_UNFIT', 'stop', text);
  }
  const reader = createReader(client);
  connections.defer(reader.close);
  const registry = connectRegistry(config.registry);
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
