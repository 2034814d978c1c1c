/**
 * Runs a command in a thread with a small heap. V8 takes its limits from the machine: on a large
 * one, reading a million rows takes 350 MB, with these limits 250 MB and a fifth more time.
 */

import { once } from 'node:events';
import { isMainThread, Worker } from 'node:worker_threads';

const resourceLimits = { maxYoungGenerationSizeMb: 8, maxOldGenerationSizeMb: 1_024 };

/** Returns whether this thread has the small heap already. */
export const hasSmallHeap = !isMainThread;

/**
 * @param isService the command stops by signals (`app/shutdown.ts`), which only this thread
 * receives: they are sent on
 * @returns the exit code of the command. @throws Error if the thread could not run it
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
  const [code] = await once(worker, 'exit');
  return code as number;
}
