#!/usr/bin/env node
/**
 * voucherbus <command>: finds the command, runs it, and turns an error into one message and an exit
 * code.
 */

import { readFileSync } from 'node:fs';
import { enableCompileCache } from 'node:module';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Io } from './app/io.ts';
import type { Command } from './cli/command.ts';
import { AppError, shownOf } from './errors.ts';

const commands: Readonly<Record<string, () => Promise<{ readonly command: Command }>>> = {
  bridge: () => import('./cli/bridge.ts'),
  processor: () => import('./cli/processor.ts'),
  topics: () => import('./cli/topics.ts'),
  schemas: () => import('./cli/schemas.ts'),
  setup: () => import('./cli/setup.ts'),
  send: () => import('./cli/send.ts'),
  demo: () => import('./cli/demo.ts'),
  verify: () => import('./cli/verify.ts'),
  routes: () => import('./cli/routes.ts'),
  reference: () => import('./cli/reference.ts'),
  reconcile: () => import('./cli/reconcile.ts'),
  webhook: () => import('./cli/webhook.ts'),
  trace: () => import('./cli/trace.ts'),
  'dead-letters': () => import('./cli/dead-letters.ts'),
  console: () => import('./cli/console.ts'),
  mcp: () => import('./cli/mcp.ts'),
  acl: () => import('./cli/acl.ts'),
  adopt: () => import('./cli/adopt.ts'),
  health: () => import('./cli/health.ts'),
  config: () => import('./cli/config.ts'),
};

const io: Io = {
  out: (line) => void process.stdout.write(`${line}\n`),
  err: (line) => void process.stderr.write(`${line}\n`),
  readFile: (path) => readFileSync(path, 'utf8'),
};

async function main([name = 'help', ...args]: readonly string[]): Promise<number> {
  const load = commands[name];
  if (load === undefined) return help(name);
  const { command } = await load();
  if (args.includes('--help')) {
    io.out(`${command.summary}\n\nusage: ${command.usage}`);
    return 0;
  }
  try {
    return await command.run(args, io);
  } catch (error) {
    io.err(`voucherbus ${name}: ${shownOf(error)}`);
    return error instanceof AppError && error.code === 'CONFIG_INVALID' ? 2 : 1;
  }
}

/** Settles when the reader has everything, or is gone: an exit would cut off a slow reader. */
async function flushed(stream: NodeJS.WriteStream): Promise<void> {
  if (stream.writableLength === 0) return;
  await new Promise<void>((resolve) => stream.write('', () => resolve()));
}

async function help(name: string): Promise<number> {
  const isAsked = ['help', '--help', '-h'].includes(name);
  const print = isAsked ? io.out : io.err;
  if (!isAsked) print(`voucherbus: there is no command "${name}"\n`);
  print('usage: voucherbus <command>\n');
  for (const [command, load] of Object.entries(commands)) {
    print(`  ${command.padEnd(13)} ${(await load()).command.summary}`);
  }
  return isAsked ? 0 : 2;
}

// Halves the start-up time. Node's default is the shared temporary directory, where another user
// could plant code. If the home directory is not writable, nothing is cached.
enableCompileCache(join(homedir(), '.cache', 'voucherbus'));
const outputs = [process.stdout, process.stderr];
// A reader may go early: `voucherbus config | head`.
for (const stream of outputs) stream.on('error', () => undefined);
const code = await main(process.argv.slice(2));
await Promise.all(outputs.map(flushed));
process.exit(code);
