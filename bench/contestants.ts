/** Starts who does the processor's job: ours, and its peers. */

import type { ChildProcess } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startPeer } from './peers.ts';
import { startProcess } from './process.ts';
import type { Setting } from './setting.ts';

export type Contestant = 'voucherbus' | 'Kafka Streams' | 'script';

/** The environment of the Dockerfile. */
export const imageEnvironment = {
  NODE_OPTIONS: '--max-semi-space-size=4',
  NODE_COMPILE_CACHE: join(tmpdir(), 'voucherbus-compiled'),
};

/**
 * @param directory for Streams' state
 * @param extra further settings, by the names that each has for them
 */
export async function startContestant(
  name: Contestant,
  group: string,
  directory: string,
  { env, catalog, schemaId }: Setting,
  extra: NodeJS.ProcessEnv = {},
): Promise<ChildProcess> {
  const node = (path: string, settings: NodeJS.ProcessEnv, ...args: string[]) => {
    const file = fileURLToPath(new URL(path, import.meta.url));
    return startProcess(process.execPath, [file, ...args], { ...env, ...settings, ...extra });
  };
  switch (name) {
    case 'voucherbus': {
      const settings = { CONSUMER_GROUP: group, ADMIN_PORT: '0', LOG_LEVEL: 'warn' };
      return node('../src/main.ts', { ...imageEnvironment, ...settings }, 'processor');
    }
    case 'script':
      return node('peer-script.ts', {
        BROKERS: env['KAFKA_BROKERS'],
        GROUP: group,
        RAW: catalog.raw,
        PREFIX: env['TOPIC_PREFIX'],
        OUT_ID: String(schemaId(catalog.publications.other)),
        NODE_NO_WARNINGS: '1',
      });
    case 'Kafka Streams':
      return startPeer('StreamsPeer', {
        ...env,
        BROKERS: env['KAFKA_BROKERS'],
        REGISTRY_URL: env['SCHEMA_REGISTRY_URL'],
        GROUP: group,
        RAW_TOPIC: catalog.raw,
        OUT_PREFIX: `${env['TOPIC_PREFIX']}.publications.`,
        STATE_DIR: directory,
        ...extra,
      });
  }
}
