/** Processes that are measured: what they cost, from /proc (Linux only). */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';

type Measured = { readonly pid?: number | undefined };

/** It and the processes that it has started: a service's supervisor and its workers. */
function treeOf(pid: number): readonly number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  return [pid, ...children.split(' ').filter(Boolean).map(Number).flatMap(treeOf)];
}

/** Seconds of CPU, user and system (100 ticks per second on Linux), of the whole tree. */
export function cpuOf({ pid }: Measured): number {
  const ticks = treeOf(pid ?? -1).map((one) => {
    const fields = readFileSync(`/proc/${one}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
    return Number(fields[11]) + Number(fields[12]);
  });
  return ticks.reduce((sum, one) => sum + one, 0) / 100;
}

/**
 * Resident memory of the whole tree now, in MB: what several of them share (the program's own
 * pages) counts once (Pss).
 */
export function memoryOf({ pid }: Measured): number {
  const kilobytes = treeOf(pid ?? -1).map((one) =>
    Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${one}/smaps_rollup`, 'utf8'))?.[1]),
  );
  return kilobytes.reduce((sum, one) => sum + one, 0) / 1024;
}

/** Open files and sockets of the whole tree. */
export function handlesOf({ pid }: Measured): number {
  const counts = treeOf(pid ?? -1).map((one) => readdirSync(`/proc/${one}/fd`).length);
  return counts.reduce((sum, one) => sum + one, 0);
}

export function startProcess(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): ChildProcess {
  return spawn(command, args, { env, stdio: ['ignore', 'pipe', 'inherit'] });
}

export async function stopProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  await once(child, 'exit');
}
