/**
 * A short-lived deployment on a given cluster, for demo and verify: fresh topics, a bridge,
 * processors. All of it is removed again.
 */

import { connectRegistry } from '../avro/registry.ts';
import { poll } from '../concurrency/retry.ts';
import type { Config } from '../config/config.ts';
import { readConfig } from '../config/read.ts';
import { AppError } from '../errors.ts';
import { Admin } from '../kafka/admin.ts';
import { createClient } from '../kafka/client.ts';
import { LogReader } from '../kafka/log-reader.ts';
import { createLog } from '../observability/log.ts';
import { type Catalog, createCatalog } from '../topics/catalog.ts';
import type { Deployment } from '../topics/deployment.ts';
import { type Child, type Environment, startChild } from './child-process.ts';
import type { Io } from './io.ts';

export type EphemeralOptions = {
  /** Prefix of the topics, and name of the group. */
  readonly prefix: string;
  readonly secret: string;
  readonly processors: number;
  /** Further environment variables. */
  readonly settings?: Environment;
};

type Service = { readonly child: Child; readonly adminUrl: string };

export type EphemeralDeployment = Deployment &
  AsyncDisposable & {
    /** The environment of its services. */
    readonly env: Environment;
    readonly config: Config<'kafka' | 'registry' | 'topics'>;
    readonly bridge: Service & { readonly url: string };
    /** The processors that run now. */
    readonly processors: Service[];
    readonly startProcessor: () => Promise<Service>;
  };

export async function openEphemeralDeployment(
  options: EphemeralOptions,
  io: Io,
): Promise<EphemeralDeployment> {
  // Processors that are started later join this stack, so it is disposed here only after a failure.
  const services = new AsyncDisposableStack();
  try {
    return await open(options, services, io);
  } catch (error) {
    await services.disposeAsync();
    throw error;
  }
}

async function open(
  options: EphemeralOptions,
  services: AsyncDisposableStack,
  io: Io,
): Promise<EphemeralDeployment> {
  const { prefix, secret, processors: count, settings } = options;
  const env = { ...environmentOf(prefix, secret), ...settings };
  const config = readConfig(['kafka', 'registry', 'topics'], { env, readFile: io.readFile });
  const catalog = createCatalog(config.topics);
  const log = createLog('silent', 'ephemeral');
  const client = createClient(config.kafka, log);
  const admin = await Admin.connect(client);
  services.defer(() => admin.close());
  // After the services have ended, so that nothing stays on the cluster except the subjects.
  services.defer(() => removeTopics(admin, catalog));
  const reader = new LogReader(client);
  services.defer(() => reader.close());
  io.err('· topics and schemas');
  await setUp(env);
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
  await Promise.all(processors.map(({ adminUrl }) => untilReady(adminUrl)));
  return {
    env,
    config,
    catalog,
    reader,
    admin,
    registry: connectRegistry(config.registry, log),
    group: prefix,
    partitions: config.topics.partitions,
    bridge: { ...bridge, url: `http://127.0.0.1:${port}${path}` },
    processors,
    startProcessor,
    [Symbol.asyncDispose]: () => services.disposeAsync(),
  };
}

async function setUp(env: Environment): Promise<void> {
  const setup = startChild(['setup'], env);
  if ((await setup.exited) === 0) return;
  throw new AppError('ASSUMPTION_BROKEN', 'stop', `setup failed:\n${setup.output()}`);
}

/**
 * Settings of a deployment at work, whose environment this may be: its spool, who may send to it,
 * its secrets, its routes, and its access to Voucherify's API.
 */
const notInherited = [
  'SPOOL_DIR',
  'ALLOWED_SENDERS',
  'TRUSTED_PROXY_HOPS',
  'WEBHOOK_SECRETS',
  'ROUTES_FILE',
  'VOUCHERIFY_APP_ID',
  'VOUCHERIFY_APP_TOKEN',
  'VOUCHERIFY_MANAGEMENT_ID',
  'VOUCHERIFY_MANAGEMENT_TOKEN',
];
const unset = Object.fromEntries(
  notInherited.flatMap((name) => [name, `${name}_FILE`]).map((name) => [name, undefined]),
);

function environmentOf(prefix: string, secret: string): Environment {
  return {
    ...process.env,
    ...unset,
    TOPIC_PREFIX: prefix,
    CONSUMER_GROUP: prefix,
    PARTITIONS: '6',
    WEBHOOK_SECRETS: `ephemeral:${secret}`,
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

const readyTimeoutMs = 60_000;

async function untilReady(adminUrl: string): Promise<void> {
  await poll(async () => ((await fetch(`${adminUrl}/readyz`)).ok ? true : undefined), {
    everyMs: 100,
    timeoutMs: readyTimeoutMs,
    timeoutError: () => new Error(`${adminUrl}/readyz is not ready after ${readyTimeoutMs} ms`),
  });
}
