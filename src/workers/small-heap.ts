/**
 * Runs a command in a thread with a small heap. V8 takes its limits from the machine: on a large
 * one, reading a million rows takes 350 MB, with these limits 250 MB and a fifth more time.
 */

import { once } from 'node:events';
import { isMainThread, Worker } from 'node:worker_threads';
import { AppError } from '../errors.ts';

/** The smaller the limit, the sooner V8 collects garbage. The chart gives the container 512 MiB. */
const resourceLimits = { maxYoungGenerationSizeMb: 8, maxOldGenerationSizeMb: 384 };

/** Returns whether this thread has the small heap already. */
export const hasSmallHeap = !isMainThread;

/**
 * @param isService the command stops by signals (`app/shutdown.ts`), which only this thread
 * receives: they are sent on
 * @returns the exit code of the command. @throws Error if the thread could not run it, with a
 * sentence of its own if the heap is too small
 */
export async function runInSmallHeap(
  args: readonly string[],
  { isService }: { readonly isService: boolean },
): Promise<number> {
  const main = new URL('../main.ts', import.meta.url);
  const worker = new Worker(main, { argv: [...args], resourceLimits });
  if (isService) {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.on(signal, () => worker.postMessage(signal));
    }
  }
  try {
    const [code] = await once(worker, 'exit');
    return code as number;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_WORKER_OUT_OF_MEMORY') throw error;
    const text = 'more than fits into memory is missing: give a shorter window (--since, --until)';
    throw new AppError('ASSUMPTION_BROKEN', 'stop', text, error);
  }
}
