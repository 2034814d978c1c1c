/** With what a worker is started: one of several processes must be a small one. */

import { getCompileCacheDir } from 'node:module';
import { dirname } from 'node:path';

/** What suits one service and not the other. */
export type Tuning = {
  /**
   * Of what lives. Processor: 100 takes 30 MB more than 60, for no less CPU; 40 takes 10 MB less, for a tenth more. Bridge: with 60 its p99 was a tenth
   * longer than with 100 (medians of two and three series of runs: little more than the noise).
   */
  readonly garbagePercent: number;
  /**
   * V8's best compiler takes a function ten times sooner than by itself. What the bridge does once for a batch is else still being compiled after 20 s
   * of load, beside the work: 5 % less CPU in the 10 s after the first 8 (medians of four runs in turns, twice). Not tried for the processor.
   */
  readonly isCompiledSoon: boolean;
};

/**
 * V8: what was just made has 4 MB (its own choice is eight times that), for next to nothing of it outlives its request or its event; and garbage
 * grows to a part of what lives before it is collected (not to three times as much). The thread that made what is young collects it: with 4 MB helpers
 * save little, and where the cores are busy it waits for a helper that has none (collections of 2 ms took up to 18; p99 at 100 events a second
 * 16.4 → 12.8 ms, means of two runs in turns).
 */
export function nodeFlags({ garbagePercent, isCompiledSoon }: Tuning): readonly string[] {
  return [
    '--max-semi-space-size=4',
    '--no-parallel-scavenge',
    `--heap-growing-percent=${garbagePercent}`,
    ...(isCompiledSoon ? ['--invocation-count-for-turbofan=300'] : []),
  ];
}

/** glibc: what is freed goes back to the system. (Pieces of 512 KB at once: 20 MB less, for a tenth more CPU.) No other C library reads these. */
const mallocSettings = {
  MALLOC_ARENA_MAX: '1',
  MALLOC_MMAP_THRESHOLD_: String(4 * 1024 * 1024),
  MALLOC_TRIM_THRESHOLD_: String(1024 * 1024),
};

export function workerEnvironment(): NodeJS.ProcessEnv {
  const compiled = getCompileCacheDir();
  if (compiled === undefined) return mallocSettings;
  // Where this process keeps what it has compiled; from the worker's first line on, for the compiler of TypeScript alone is 15 MB.
  return { ...mallocSettings, NODE_COMPILE_CACHE: dirname(compiled) };
}
