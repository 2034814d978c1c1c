/** `voucherbus bridge`: receives webhooks until it is stopped. */

import { startAdminServer } from '../admin/server.ts';
import { Batcher } from '../bridge/batcher.ts';
import { startBridge } from '../bridge/server.ts';
import { schemas } from '../codec/schemas.ts';
import { createEncoder } from '../codec/wire.ts';
import { createClient } from '../kafka/client.ts';
import { openWriter } from '../kafka/writer.ts';
import { createHealth } from '../observability/health.ts';
import { createLog } from '../observability/log.ts';
import { createMetrics } from '../observability/metrics.ts';
import type { Command } from './command.ts';
import { configOf, version } from './environment.ts';
import { runUntilStopped } from './lifetime.ts';
import { start } from './start.ts';

export const command: Command = {
  summary: "receives Voucherify's webhooks and stores them on the raw topic",
  usage: 'voucherbus bridge   (configured by the environment: `voucherbus config`)',
  run: async (_, io) => {
    const config = configOf(
      ['kafka', 'registry', 'start', 'topics', 'operation', 'webhook', 'bridge'],
      io,
    );
    const log = createLog(config.operation.logLevel, 'bridge');
    const health = createHealth(['bridge']);
    const metrics = createMetrics({ version });
    const admin = await startAdminServer(config.operation, health, metrics);
    const started = await start(config, log);
    const { raw } = started.catalog;
    await started.admin.close();
    const writer = await openWriter(createClient(config.kafka, log), raw);
    const batcher = new Batcher(
      (records) => {
        metrics.batchRecords.observe(records.length);
        return writer.write(records, config.bridge.answerTimeoutMs);
      },
      { maxRecords: config.bridge.maxBatchRecords, maxBytes: config.bridge.maxBatchBytes },
    );
    const bridge = await startBridge({
      config: { ...config.bridge, ...config.webhook },
      rawTopic: raw,
      batcher,
      encode: createEncoder(schemas.RawWebhook.type, started.schemaId(raw)),
      log,
      metrics,
    });
    health.ready('bridge');
    log.info(
      { port: bridge.port, adminPort: admin.port, path: `/webhooks/${config.webhook.source}` },
      'the bridge is ready',
    );
    return runUntilStopped(log, new Promise<never>(() => {}), [
      ['no longer ready', async () => health.notReady('bridge', 'stopping')],
      ['webhooks answered', bridge.close],
      ['producer closed', writer.close],
      ['admin closed', admin.close],
    ]);
  },
};
