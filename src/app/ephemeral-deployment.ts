/** A deployment of its own on a given cluster, for the commands that show or prove something: fresh topics, a bridge, processors; all removed again. */

import { setTimeout as sleep } from 'node:timers/promises';
import { connectRegistry, type Registry } from '../avro/registry.ts';
import type { Config } from '../config/config.ts';
import { readConfig } from '../config/read.ts';
import { AppError } from '../errors.ts';
import { type Admin, connectAdmin } from '../kafka/admin.ts';
import { createClient } from '../kafka/client.ts';
import { createReader, type Reader } from '../kafka/log-reader.ts';
import { createLog } from '../observability/log.ts';
import { type Catalog, createCatalog } from '../topics/catalog.ts';
import { type Child, type Environment, startChild } from './child-process.ts';
import type { Io } from './io.ts';

export type EphemeralOptions = {
  /** Of topics and group. */
  readonly prefix: string;
  readonly secret: string;
  readonly processors: number;
};

type Service = { readonly child: Child; readonly adminUrl: string };

export type EphemeralDeployment = AsyncDisposable & {
  readonly config: Config<'kafka' | 'registry' | 'topics'>;
  readonly catalog: Catalog;
  readonly reader: Reader;
  readonly admin: Admin;
  readonly registry: Registry;
  readonly bridge: Service & { readonly url: string };
  /** Those that run now. */
  readonly processors: Service[];
  readonly startProcessor: () => Promise<Service>;
};

export async function openEphemeralDeployment(
  options: EphemeralOptions,
  io: Io,
): Promise<EphemeralDeployment> {
  const services = new AsyncDisposableStack();
  try {
    return await startEphemeral(options, io, services);
  } catch (error) {
    await services.disposeAsync();
    throw error;
  }
}

async function startEphemeral(
  { prefix, secret, processors: count }: EphemeralOptions,
  io: Io,
  services: AsyncDisposableStack,
): Promise<EphemeralDeployment> {
  const env = environmentOf(prefix, secret);
  const config = readConfig(['kafka', 'registry', 'topics'], { env, readFile: io.readFile });
  const catalog = createCatalog(config.topics);
  const client = createClient(config.kafka, createLog('silent', 'stage'));
  const admin = await connectAdmin(client);
  services.defer(admin.close);
  // After the services have ended: on a cluster of somebody's own nothing stays but the subjects.
  services.defer(() => removeTopics(admin, catalog));
  const reader = createReader(client);
  services.defer(reader.close);
  io.err('· topics and schemas');
  const setup = startChild(['setup'], env);
  if ((await setup.exited) !== 0) {
    throw new AppError('ASSUMPTION_BROKEN', 'stop', `setup failed:\n${setup.output()}`);
  }
  const startService = async (name: string, readyMessage: string): Promise<Service> => {
    const child = services.use(startChild([name], env));
    const { adminPort } = await child.said(readyMessage);
    return { child, adminUrl: `http://127.0.0.1:${adminPort}` };
  };
  const startProcessor = () => startService('processor', 'the processor is running');
  io.err(`· one bridge, ${count} processors`);
  const [bridge, ...processors] = await Promise.all([
    startService('bridge', 'the bridge is ready'),
    ...Array.from({ length: count }, startProcessor),
  ]);
  const { port, path } = await bridge.child.said('the bridge is ready');
  await Promise.all(processors.map(({ adminUrl }) => isReady(adminUrl)));
  return {
    config,
    catalog,
    reader,
    admin,
    registry: connectRegistry(config.registry),
    bridge: { ...bridge, url: `http://127.0.0.1:${port}${path}` },
    processors,
    startProcessor,
    [Symbol.asyncDispose]: () => services.disposeAsync(),
  };
}

function environmentOf(prefix: string, secret: string): Environment {
  return {
    ...process.env,
    TOPIC_PREFIX: prefix,
    CONSUMER_GROUP: prefix,
    PARTITIONS: '6',
    WEBHOOK_SECRETS: `stage:${secret}`,
    // Not that of a bridge at work, whose environment this may be.
    SPOOL_DIR: undefined,
    BRIDGE_HOST: '127.0.0.1',
    BRIDGE_PORT: process.env['BRIDGE_PORT'] ?? '0',
    ADMIN_HOST: '127.0.0.1',
    ADMIN_PORT: '0',
  };
}

async function removeTopics(admin: Admin, { topics }: Catalog): Promise<void> {
  const existing = await admin.describe(topics.map(({ name }) => name));
  if (existing.size > 0) await admin.remove([...existing.keys()]);
}

async function isReady(adminUrl: string): Promise<void> {
  for (let left = 300; left > 0; left -= 1) {
    if ((await fetch(`${adminUrl}/readyz`)).ok) return;
    await sleep(100);
  }
  throw new Error(`${adminUrl}/readyz is not ready after 30 s`);
}
