/**
 * The shared cluster and registry behind doors that can be shut, which is how they go away without
 * going away for others.
 */

import { freePort } from './ports.ts';
import { type Proxy as Door, startProxy } from './proxy.ts';

/** @returns also the environment of a bridge behind them, with a spool and a port of its own */
export async function doors(spoolDirectory: string) {
  const target = (text: string) => {
    const { hostname: host, port } = new URL(text);
    return { host, port: Number(port) };
  };
  const kafka = target(`kafka://${process.env['KAFKA_BROKERS']}`);
  const registryUrl = new URL(process.env['SCHEMA_REGISTRY_URL'] ?? '');
  const registry = target(registryUrl.href);
  const ports = { kafka: await freePort(), registry: await freePort() };
  const open: { kafka?: Door; registry?: Door } = {};
  const shut = async (name: 'kafka' | 'registry') => {
    await open[name]?.[Symbol.asyncDispose]();
    delete open[name];
  };
  return {
    env: {
      NODE_OPTIONS: `--import=${new URL('./redirect.ts', import.meta.url).href}`,
      REDIRECT: `${kafka.port}:${ports.kafka}`,
      SCHEMA_REGISTRY_URL: registryUrl.href.replace(registryUrl.port, String(ports.registry)),
      BRIDGE_PORT: String(await freePort()),
      SPOOL_DIR: spoolDirectory,
      SPOOL_AFTER: '500ms',
    },
    openKafka: async () => {
      open.kafka ??= await startProxy(kafka, { isKafka: true, port: ports.kafka });
    },
    openRegistry: async () => {
      open.registry ??= await startProxy(registry, { isKafka: false, port: ports.registry });
    },
    shut,
    [Symbol.asyncDispose]: async () => {
      await Promise.all([shut('kafka'), shut('registry')]);
    },
  };
}
