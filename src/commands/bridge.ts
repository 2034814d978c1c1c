/** `voucherbus bridge`: receives webhooks until it is stopped. */

import { setTimeout as sleep } from 'node:timers/promises';
import { startAdminServer } from '../admin/server.ts';
import { Batcher } from '../bridge/batcher.ts';
import { InFlight } from '../bridge/in-flight.ts';
import { type Keeper, keepOnKafka, keepWithSpool, type Write } from '../bridge/keeper.ts';
import { startBridge } from '../bridge/server.ts';
import { Spool } from '../bridge/spool/spool.ts';
import type { BridgeConfig } from '../config/config.ts';
import { createHealth, type Health } from '../observability/health.ts';
import { createLog, type Log } from '../observability/log.ts';
import { createMetrics, type Metrics } from '../observability/metrics.ts';
import { createCatalog } from '../topics/catalog.ts';
import type { Command } from './command.ts';
import { configOf, version } from './environment.ts';
import { runUntilStopped } from './lifetime.ts';
import { openRawWriter } from './raw-writer.ts';
import { followSources } from './sources.ts';

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
    const hasSpool = config.bridge.spoolDirectory !== undefined;
    const limit = hasSpool ? { timeoutMs: Number.POSITIVE_INFINITY } : config.start;
    const raw = openRawWriter({ ...config, start: limit }, log);
    const ended = endedBy(raw.connected, log, health);
    // Without a spool nothing can be taken until Kafka is there; with one it can, and what comes meanwhile need not wait for it.
    await (hasSpool
      ? Promise.race([raw.connected, sleep(config.bridge.spoolAfterMs)])
      : raw.connected);
    const keeper = await openKeeper(config.bridge, raw.write, log);
    const batcher = new Batcher(
      (webhooks) => {
        metrics.batchRecords.observe(webhooks.length);
        return keeper.keep(webhooks);
      },
      { maxRecords: config.bridge.maxBatchRecords, maxBytes: config.bridge.maxBatchBytes },
    );
    const inFlight = new InFlight({
      maxRequests: config.bridge.maxInFlightRequests,
      maxBytes: config.bridge.maxInFlightBytes,
    });
    const sources = followSources(config.webhook, io, log, metrics);
    const bridge = await startBridge({
      config: config.bridge,
      sources: sources.current,
      rawTopic: createCatalog(config.topics).raw,
      batcher,
      inFlight,
      log,
      metrics,
    });
    const shown = setInterval(() => {
      metrics.webhooksInFlight.set(inFlight.requests);
      metrics.bytesInFlight.set(inFlight.bytes);
      showSpool(keeper, metrics, health);
    }, 1_000);
    health.ready('bridge');
    const paths = [...sources.current().keys()].map((source) => `/webhooks/${source}`);
    const facts = { port: bridge.port, adminPort: admin.port, path: paths[0], paths };
    return runUntilStopped(
      log,
      ended,
      [
        [
          'no longer ready',
          async () => {
            clearInterval(shown);
            sources.stop();
            health.notReady('bridge', 'stopping');
          },
        ],
        ['webhooks answered', bridge.close],
        ['spool closed', keeper.close],
        ['producer closed', raw.close],
        ['admin closed', admin.close],
      ],
      () => log.info(facts, 'the bridge is ready'),
    );
  },
};

/** Rejects where Kafka or the registry turn out to be unfit; until they are found /readyz says so. */
function endedBy(connected: Promise<void>, log: Log, health: Health): Promise<never> {
  health.note('kafka', 'Kafka and the registry have not been reached yet');
  const ended = connected.then(() => {
    health.note('kafka', 'connected');
    log.info('connected to Kafka and the registry');
    return new Promise<never>(() => {});
  });
  // Who waits for it will see it; until then it is not unhandled.
  ended.catch(() => undefined);
  return ended;
}

/** With SPOOL_DIR: takes it, and begins to send what an earlier bridge left there. @throws AppError SPOOL_UNUSABLE */
async function openKeeper(config: BridgeConfig, write: Write, log: Log): Promise<Keeper> {
  const { spoolDirectory, spoolMaxBytes: maxBytes, spoolAfterMs: budgetMs } = config;
  if (spoolDirectory === undefined) return keepOnKafka(write, config.answerTimeoutMs);
  const spool = await Spool.open({ directory: spoolDirectory, maxBytes, segmentBytes });
  const { webhooks } = spool.state;
  if (webhooks > 0) log.info({ webhooks }, 'webhooks of an earlier bridge wait in the spool');
  let saidAt = 0;
  const onTrouble = (error: unknown, consequence: string) => {
    if (Date.now() - saidAt < sayAgainAfterMs) return;
    saidAt = Date.now();
    log.warn({ err: error }, consequence);
  };
  return keepWithSpool(write, spool, { budgetMs, onTrouble });
}

/** In an outage the same happens again and again. */
const sayAgainAfterMs = 5_000;

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
