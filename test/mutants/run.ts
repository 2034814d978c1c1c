/**
 * `make mutants`: plants each fault of mutants.ts in a copy of the project and runs the tests that
 * must notice. Exit code 0: every one was noticed. An argument selects mutants by a part of their
 * name, or of the vitest arguments of their tests.
 */

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { mutants, plant } from './mutants.ts';

const root = new URL('../..', import.meta.url).pathname;
/** A planted fault often shows as something that never happens. */
const testTimeoutMs = 60_000;

async function copyOfProject(): Promise<string> {
  const copy = await mkdtemp(join(tmpdir(), 'voucherbus-mutants-'));
  for (const name of ['src', 'test', 'schemas', 'package.json', 'tsconfig.json', 'README.md']) {
    await cp(join(root, name), join(copy, name), { recursive: true });
  }
  await symlink(join(root, 'node_modules'), join(copy, 'node_modules'));
  return copy;
}

type Outcome = { readonly hasFailed: boolean; readonly output: string };

async function runTests(copy: string, args: readonly string[]): Promise<Outcome> {
  const config = ['--config', 'test/vitest.config.ts', '--testTimeout', String(testTimeoutMs)];
  // Unit tests run concurrently, and those that are cancelled may leave processes behind.
  const bail = args.includes('unit*') ? [] : ['--bail', '1'];
  const child = spawn(
    process.execPath,
    [join(root, 'node_modules/vitest/vitest.mjs'), 'run', ...config, ...bail, ...args],
    { cwd: copy, env: { ...process.env, NO_COLOR: '1' }, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  const chunks: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk) => chunks.push(chunk));
  const [code] = await once(child, 'close');
  return { hasFailed: code !== 0, output: Buffer.concat(chunks).toString() };
}

async function main([part = '']: readonly string[]): Promise<number> {
  const copy = await copyOfProject();
  const chosen = mutants.filter(
    ({ name, caughtBy }) => name.includes(part) || caughtBy.join(' ').includes(part),
  );
  let missed = 0;
  const say = (line: string) => process.stdout.write(`${line}\n`);
  try {
    const sound = new Set<string>();
    for (const [i, mutant] of chosen.entries()) {
      const { name, file, caughtBy } = mutant;
      const path = join(copy, 'src', file);
      const original = await readFile(path, 'utf8');
      const mutated = plant(original, mutant);
      const progress = `${String(i + 1).padStart(2)}/${chosen.length}`;
      // The tests must pass without the fault, or their failure says nothing.
      if (!sound.has(caughtBy.join(' '))) {
        const { hasFailed, output } = await runTests(copy, caughtBy);
        if (hasFailed)
          throw new Error(`fails without a fault: vitest ${caughtBy.join(' ')}\n${output}`);
        sound.add(caughtBy.join(' '));
      }
      await writeFile(path, mutated);
      const startedAt = performance.now();
      const { hasFailed, output } = await runTests(copy, caughtBy);
      await writeFile(path, original);
      const seconds = ((performance.now() - startedAt) / 1_000).toFixed(0);
      const wasRun = /Tests .*(failed|passed)/.test(output);
      if (hasFailed && !wasRun) throw new Error(`"${name}": no test ran\n${output}`);
      if (!hasFailed) missed += 1;
      const selection = caughtBy.slice(2).join(' ').replace('test/', '');
      say(`${progress} ${hasFailed ? 'caught' : 'MISSED'}  ${name}  (${selection}; ${seconds} s)`);
    }
  } finally {
    await rm(copy, { recursive: true, force: true });
    await promisify(execFile)('pkill', ['-f', copy]).catch(() => undefined); // services of killed tests
  }
  say(`\n${chosen.length - missed} of ${chosen.length} planted faults were caught`);
  return missed === 0 ? 0 : 1;
}

process.exit(await main(process.argv.slice(2)));
