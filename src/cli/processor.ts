/** `voucherbus processor`: reads raw and forwards each publication once, until it is stopped. */

import { configOf } from '../app/environment.ts';
import { runService } from '../app/run-service.ts';
import type { Command } from './command.ts';

export const command: Command = {
  summary: 'reads the raw topic and forwards each publication exactly once',
  usage: 'voucherbus processor   (configured by the environment: `voucherbus config`)',
  run: async (_, io) => {
    const config = configOf(
      ['kafka', 'registry', 'start', 'topics', 'operation', 'processor', 'lookup', 'project'],
      io,
    );
    return await runService(
      {
        name: 'processor',
        runs: 'the processor is running',
        workers: config.processor.workers,
        readyWith: 'all',
        tuning: { garbagePercent: 60, isCompiledSoon: false },
        // Loaded here: the supervisor needs none of it.
        run: async (worker) =>
          (await import('../app/processor-app.ts')).runProcessorApp(config, worker),
      },
      config,
    );
  },
};
