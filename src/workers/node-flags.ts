/** V8 flags and environment of a worker: one of several processes must be small. */

import { getCompileCacheDir } from 'node:module';
import { dirname } from 'node:path';

/** The flags in which the services differ. */
export type Tuning = {
  /**
   * How much garbage may accumulate, in per cent of the live heap, before it is collected.
   * Processor: 100 takes 30 MB more than 60 for no less CPU; 40 takes 10 MB less for a tenth more
   * CPU. Bridge: with 60 its p99 was a tenth longer than with 100 (medians of two and three series
   * of runs, little more than the noise).
   */
  readonly garbagePercent: number;
  /**
   * Lets V8's optimising compiler start ten times sooner than by default. Without it, functions
   * that the bridge calls once per batch are still being compiled after 20 s of load: 5 % less CPU
   * in the 10 s after the first 8 (medians of four runs in turns, twice). Not tried for the
   * processor.
   */
  readonly isCompiledSoon: boolean;
};

/**
 * Returns V8's flags. The young generation has 4 MB (V8 would choose eight times that), because
 * next to nothing survives its request or its event. The allocating thread collects it: with 4 MB
 * helper threads save little, and on busy cores it waits for them (collections of 2 ms took up to
 * 18; p99 at 100 events per second 16.4 → 12.8 ms, means of two runs in turns).
 */
export function nodeFlags({ garbagePercent, isCompiledSoon }: Tuning): readonly string[] {
  return [
    '--max-semi-space-size=4',
    '--no-parallel-scavenge',
    `--heap-growing-percent=${garbagePercent}`,
    ...(isCompiledSoon ? ['--invocation-count-for-turbofan=300'] : []),
  ];
}

/**
 * glibc returns freed memory to the system. (With a threshold of 512 KB: 20 MB less, for a tenth
 * more CPU.) Other C libraries ignore these.
 */
const mallocSettings = {
  MALLOC_ARENA_MAX: '1',
  MALLOC_MMAP_THRESHOLD_: String(4 * 1024 * 1024),
  MALLOC_TRIM_THRESHOLD_: String(1024 * 1024),
};

export function workerEnvironment(): NodeJS.ProcessEnv {
  const compiled = getCompileCacheDir();
  if (compiled === undefined) return mallocSettings;
  // The worker uses this process's compile cache from its first line on: TypeScript's compiler
  // alone is 15 MB.
  return { ...mallocSettings, NODE_COMPILE_CACHE: dirname(compiled) };
}
