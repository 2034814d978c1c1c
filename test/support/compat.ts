/**
 * compat.ts: runs test/integration/logins.test.ts on one version of Kafka after the other, and
 * prints which pass. KAFKA_VERSIONS names others, separated by spaces.
 */

import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** The newest patch release of each minor version that we support. */
const supported = ['3.9.1', '4.0.2', '4.1.2', '4.2.2', '4.3.1', '4.4.0'];

async function main(versions: readonly string[]): Promise<number> {
  const results: { version: string; passed: boolean; seconds: number }[] = [];
  for (const version of versions) {
    process.stderr.write(`· Kafka ${version}\n`);
    const startedAt = performance.now();
    const args = [
      'run',
      '-s',
      'suite',
      '--',
      '--project',
      'integration',
      'integration/logins.test',
    ];
    const env = { ...process.env, KAFKA_VERSION: version };
    const child = spawn('npm', args, { env, stdio: ['ignore', 'inherit', 'inherit'] });
    const [code] = await once(child, 'exit');
    const seconds = Math.round((performance.now() - startedAt) / 1_000);
    results.push({ version, passed: code === 0, seconds });
  }
  for (const { version, passed, seconds } of results) {
    process.stdout.write(`Kafka ${version} ${passed ? 'passed' : 'FAILED'} (${seconds} s)\n`);
  }
  const failed = results.filter(({ passed }) => !passed).length;
  // As vitest counts: .ci/run reads this line.
  process.stdout.write(
    ` Tests ${failed > 0 ? `${failed} failed | ` : ''} ${results.length - failed} passed (${results.length})\n`,
  );
  return failed === 0 ? 0 : 1;
}

process.exit(await main(process.env['KAFKA_VERSIONS']?.split(' ') ?? supported));
