/** `voucherbus bridge`: receives webhooks until it is stopped. */

import { listen } from '../admin/listen.ts';
import { configOf } from '../app/environment.ts';
import { runService } from '../app/run-service.ts';
import { createLog } from '../observability/log.ts';
import type { Command } from './command.ts';

export const command: Command = {
  summary: "receives Voucherify's webhooks and stores them on the raw topic",
  usage: 'voucherbus bridge   (configured by the environment: `voucherbus config`)',
  run: async (_, io) => {
    const own = ['webhook', 'bridge', 'project', 'management'] as const;
    const config = configOf(['kafka', 'registry', 'start', 'topics', 'operation', ...own], io);
    const log = createLog(config.operation.logLevel, 'bridge');
    const { host, port, workers, shutdownDelayMs } = config.bridge;
    return await runService(
      {
        name: 'bridge',
        runs: 'the bridge is ready',
        workers,
        readyWith: 'one',
        tuning: { garbagePercent: 100, isCompiledSoon: true },
        shutdownDelayMs,
        bind: (server) => listen(server, port, host, 'BRIDGE_PORT', log),
        // Loaded here: the supervisor needs none of it.
        run: async (worker) =>
          (await import('../app/bridge-app.ts')).runBridgeApp(config, worker, io),
      },
      config,
    );
  },
};
