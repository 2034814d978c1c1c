/** `voucherbus bridge`: receives webhooks until it is stopped. */

import { startAdminServer } from '../admin/server.ts';
import { Batcher } from '../bridge/batcher.ts';
import { type Keeper, keepOnKafka, keepWithSpool, type Write } from '../bridge/keeper.ts';
import { rawRecord } from '../bridge/record.ts';
import { startBridge } from '../bridge/server.ts';
import { Spool } from '../bridge/spool/spool.ts';
import type { RawWebhook } from '../codec/records.ts';
import { schemas } from '../codec/schemas.ts';
import { createEncoder } from '../codec/wire.ts';
import type { BridgeConfig } from '../config/config.ts';
import { createClient } from '../kafka/client.ts';
import { openWriter } from '../kafka/writer.ts';
import { createHealth, type Health } from '../observability/health.ts';
import { createLog, type Log } from '../observability/log.ts';
import { createMetrics, type Metrics } from '../observability/metrics.ts';
import type { Command } from './command.ts';
import { configOf, version } from './environment.ts';
import { runUntilStopped } from './lifetime.ts';
import { followSecrets } from './secrets.ts';
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
    const encode = createEncoder<RawWebhook>(schemas.RawWebhook.type, started.schemaId(raw));
    const write: Write = (webhooks, timeoutMs) =>
      writer.write(
        webhooks.map(({ verified, receipt }) => rawRecord(verified, receipt, encode)),
        timeoutMs,
      );
    const keeper = await openKeeper(config.bridge, write, log);
    const batcher = new Batcher(
      (webhooks) => {
        metrics.batchRecords.observe(webhooks.length);
        return keeper.keep(webhooks);
      },
      { maxRecords: config.bridge.maxBatchRecords, maxBytes: config.bridge.maxBatchBytes },
    );
    const secrets = followSecrets(config.webhook.secrets, io, log, metrics);
    const bridge = await startBridge({
      config: { ...config.bridge, source: config.webhook.source },
      secrets: secrets.current,
      rawTopic: raw,
      batcher,
      log,
      metrics,
    });
    const shown = setInterval(() => showSpool(keeper, metrics, health), 1_000);
    health.ready('bridge');
    const facts = {
      port: bridge.port,
      adminPort: admin.port,
      path: `/webhooks/${config.webhook.source}`,
    };
    const announce = () => log.info(facts, 'the bridge is ready');
    return runUntilStopped(
      log,
      new Promise<never>(() => {}),
      [
        [
          'no longer ready',
          async () => {
            clearInterval(shown);
            secrets.stop();
            health.notReady('bridge', 'stopping');
          },
        ],
        ['webhooks answered', bridge.close],
        ['spool closed', keeper.close],
        ['producer closed', writer.close],
        ['admin closed', admin.close],
      ],
      announce,
    );
  },
};

/** With SPOOL_DIR: takes it, and begins to send what an earlier bridge left there. @throws AppError SPOOL_UNUSABLE */
async function openKeeper(config: BridgeConfig, write: Write, log: Log): Promise<Keeper> {
  const { spoolDirectory, spoolMaxBytes: maxBytes, spoolAfterMs: budgetMs } = config;
  if (spoolDirectory === undefined) return keepOnKafka(write, config.answerTimeoutMs);
  const spool = await Spool.open({ directory: spoolDirectory, maxBytes, segmentBytes });
  const { webhooks } = spool.state;
  if (webhooks > 0) log.info({ webhooks }, 'webhooks of an earlier bridge wait in the spool');
  const onTrouble = (error: unknown, consequence: string) => log.warn({ err: error }, consequence);
  return keepWithSpool(write, spool, { budgetMs, onTrouble });
}

/** Small enough to be read into memory and sent at once. */
const segmentBytes = 4 * 1024 * 1024;

function showSpool({ spoolState }: Keeper, metrics: Metrics, health: Health): void {
  const state = spoolState();
  if (state === undefined) return;
  const { webhooks, bytes, oldestMs, damaged } = state;
  const ageSeconds = oldestMs === undefined ? 0 : Math.max(0, (Date.now() - oldestMs) / 1_000);
  metrics.spoolWebhooks.set(webhooks);
  metrics.spoolBytes.set(bytes);
  metrics.spoolAgeSeconds.set(ageSeconds);
  metrics.spoolDamaged.set(damaged);
  // It takes webhooks all the same; whoever looks should see it.
  health.note('spool', `${webhooks} webhooks, ${bytes} bytes, oldest ${ageSeconds.toFixed(0)} s`);
}
