/** Runs the steps of `make check` in parallel, and prints the output of those that fail. */

import { spawn } from 'node:child_process';

const steps: readonly (readonly [name: string, command: string])[] = [
  ['format and lint', 'biome check --error-on-warnings'],
  ['types', 'tsc'],
  ['dead code', 'knip && knip --production --strict --dependencies'],
  ['unit tests, prose, docs', "vitest run --config test/vitest.config.ts --project 'unit*'"],
];

async function run(name: string, command: string): Promise<boolean> {
  const startedAt = performance.now();
  const child = spawn(command, { shell: true, env: { ...process.env, NO_COLOR: '1' } });
  const output: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => output.push(chunk));
  }
  const code = await new Promise((resolve) => child.on('close', resolve));
  const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1);
  const text = Buffer.concat(output).toString();
  const summary = /^ *Tests .*$/m.exec(text)?.[0] ?? '';
  process.stdout.write(`${code === 0 ? '✓' : '✗'} ${name} (${seconds} s)\n`);
  process.stdout.write(code === 0 ? summary && `${summary}\n` : text);
  return code === 0;
}

const results = await Promise.all(steps.map(([name, command]) => run(name, command)));
process.exitCode = results.every(Boolean) ? 0 : 1;
