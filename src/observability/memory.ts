/** Reads the memory of this container from its cgroup (version 2 or 1), as Kubernetes counts it. */

import { readFileSync } from 'node:fs';
import type { Metrics } from './metrics.ts';

export type Memory = {
  /** Usage without the page cache that can be evicted. */
  readonly workingSetBytes: number;
  readonly limitBytes: number;
};

type Files = {
  readonly usage: string;
  readonly limit: string;
  readonly stat: string;
  /** The entry of `stat` that can be evicted. */
  readonly evictable: string;
};

const versions: readonly Files[] = [
  { usage: 'memory.current', limit: 'memory.max', stat: 'memory.stat', evictable: 'inactive_file' },
  {
    usage: 'memory/memory.usage_in_bytes',
    limit: 'memory/memory.limit_in_bytes',
    stat: 'memory/memory.stat',
    evictable: 'total_inactive_file',
  },
];

/** Version 1 writes "no limit" as a number near 2^63. */
const largestLimit = 2 ** 60;

/** Returns undefined if there is no cgroup, or no limit. */
export function readMemory(root = '/sys/fs/cgroup'): Memory | undefined {
  for (const { usage, limit, stat, evictable } of versions) {
    const limitBytes = Number(read(`${root}/${limit}`));
    const usedBytes = Number(read(`${root}/${usage}`));
    if (!(limitBytes < largestLimit) || Number.isNaN(usedBytes)) continue;
    const entry = new RegExp(`^${evictable} (\\d+)$`, 'm').exec(read(`${root}/${stat}`) ?? '');
    return { workingSetBytes: Math.max(0, usedBytes - Number(entry?.[1] ?? 0)), limitBytes };
  }
  return undefined;
}

/** Sets the gauges to what they are now. */
export function showMemory({ memoryWorkingSet, memoryLimit }: Metrics): void {
  const memory = readMemory();
  memoryWorkingSet.set(memory?.workingSetBytes ?? 0);
  memoryLimit.set(memory?.limitBytes ?? 0);
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return undefined;
  }
}
