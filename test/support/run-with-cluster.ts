/**
 * run-with-cluster.ts <command…>: runs a command with KAFKA_BROKERS and SCHEMA_REGISTRY_URL set to
 * a cluster that lives as long as it does.
 */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { startCluster } from './cluster.ts';

async function main([command = '', ...args]: readonly string[]): Promise<number> {
  // Ctrl-C reaches the command too; its end is ours.
  process.on('SIGINT', () => undefined);
  const startedAt = performance.now();
  const say = (line: string) => process.stderr.write(`· ${line}\n`);
  await using cluster = await startCluster(say);
  const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1);
  say(
    `Kafka ${cluster.brokers}, registry ${cluster.registryUrl} (${cluster.origin}; ${seconds} s)`,
  );
  const env = {
    ...process.env,
    KAFKA_BROKERS: cluster.brokers,
    SCHEMA_REGISTRY_URL: cluster.registryUrl,
  };
  const child = spawn(command, args, { env, stdio: 'inherit' });
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  const [code] = await once(child, 'exit');
  return (code as number | null) ?? 1;
}

try {
  process.exit(await main(process.argv.slice(2)));
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
  process.exit(1);
}
