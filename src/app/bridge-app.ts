/** One worker of `voucherbus bridge`: its parts, and how it starts and stops. */

import { setTimeout as sleep } from 'node:timers/promises';
import { Batcher } from '../bridge/batcher.ts';
import { InFlight } from '../bridge/in-flight.ts';
import { RefusalLog } from '../bridge/refusal-log.ts';
import { startBridge } from '../bridge/server.ts';
import { StoreProgress } from '../bridge/store-progress.ts';
import { responsesLimitMs } from '../bridge/timeouts.ts';
import type { WebhookStore } from '../bridge/webhook-store.ts';
import type { BridgeConfig, Config } from '../config/config.ts';
import { Health } from '../observability/health.ts';
import { createLog, type Log } from '../observability/log.ts';
import { createMetrics, type Metrics } from '../observability/metrics.ts';
import { spansLimitMs, startTracing } from '../observability/tracing.ts';
import { createCatalog } from '../topics/catalog.ts';
import { refreshEverySecond } from './bridge-status.ts';
import { version } from './environment.ts';
import { warnOfFewFiles } from './file-limit.ts';
import type { Io } from './io.ts';
import { openWebhookStore } from './open-webhook-store.ts';
import { RawWriter } from './raw-writer.ts';
import { ReloadedSecrets } from './reload/secrets.ts';
import type { WorkerContext } from './run-service.ts';
import { runUntilStopped } from './shutdown.ts';
import { watchWebhook } from './webhook-watch.ts';

type BridgeAppConfig = Config<
  | 'kafka'
  | 'registry'
  | 'start'
  | 'topics'
  | 'operation'
  | 'webhook'
  | 'bridge'
  | 'project'
  | 'management'
>;

export async function runBridgeApp(
  given: BridgeAppConfig,
  worker: WorkerContext,
  io: Io,
): Promise<number> {
  const config = { ...given, bridge: shareOf(given.bridge, worker.of) };
  const log = createLog(config.operation.logLevel, 'bridge');
  const health = new Health(['bridge']);
  const metrics = createMetrics({ version });
  const refusals = new RefusalLog(config.bridge, log);
  const shown = await worker.show(health, metrics, () => refusals.report());
  const tracing = await startTracing({ name: 'bridge', version }, log, process.env);
  warnOfFewFiles(config.bridge.maxConnections, log);
  const hasSpool = config.bridge.spoolDirectory !== undefined;
  const limit = hasSpool ? { timeoutMs: Number.POSITIVE_INFINITY } : config.start;
  const raw = new RawWriter({ ...config, start: limit }, log, metrics);
  const ended = Promise.race([endedBy(raw.connected, log, health), raw.ended]);
  // Without a spool nothing can be accepted until Kafka responds. With a spool it can, after a
  // short wait.
  const patience = hasSpool ? [sleep(config.bridge.spoolAfterMs)] : [];
  await Promise.race([raw.connected, ...patience]);
  const progress = new StoreProgress(log);
  const store = await openWebhookStore(config.bridge, worker, progress.track(raw.write), log);
  const { maxInFlightRequests, maxInFlightBytes } = config.bridge;
  const inFlight = new InFlight({ maxRequests: maxInFlightRequests, maxBytes: maxInFlightBytes });
  const secrets = new ReloadedSecrets(config.webhook, io, log, metrics);
  const context = {
    config: config.bridge,
    sources: () => secrets.current,
    rawTopic: createCatalog(config.topics).raw,
    batcher: batcherOf(config.bridge, store, metrics),
    inFlight,
    refusals,
    progress,
    log,
    metrics,
    tracing,
  };
  metrics.spoolLimitBytes.set(hasSpool ? config.bridge.spoolMaxBytes : 0);
  const bridge = await startBridge(context, worker.listen);
  const watched = { health, metrics, log };
  const watch = worker.number === 1 ? watchWebhook(config, raw.connected, watched) : undefined;
  const refreshing = refreshEverySecond({ ...context, store, raw, hasSpool, health });
  health.ready('bridge');
  const stopReadiness = async () => {
    clearInterval(refreshing);
    secrets.stop();
    health.notReady('bridge', 'stopping');
  };
  const paths = [...secrets.current.keys()].map((source) => `/webhooks/${source}`);
  return runUntilStopped(
    log,
    ended,
    [
      ['no longer ready', stopReadiness],
      ['webhooks answered', bridge.close, responsesLimitMs + config.bridge.shutdownDelayMs],
      ['spool closed', store.close],
      ['webhook no longer watched', async () => watch?.stop()],
      ['producer closed', () => raw.close()],
      ['spans exported', () => tracing.stop(), spansLimitMs],
      ['admin closed', shown.close],
    ],
    () => worker.announce(log, { port: bridge.port, path: paths[0], paths }),
  );
}

function batcherOf(
  { maxBatchRecords: maxRecords, maxBatchBytes: maxBytes }: BridgeConfig,
  { store }: WebhookStore,
  metrics: Metrics,
): Batcher {
  const observed: WebhookStore['store'] = (webhooks) => {
    metrics.batchRecords.observe(webhooks.length);
    return store(webhooks);
  };
  return new Batcher(observed, { maxRecords, maxBytes });
}

/** Returns a worker's share of the bridge's limits. */
function shareOf(config: BridgeConfig, workers: number): BridgeConfig {
  return {
    ...config,
    maxConnections: Math.ceil(config.maxConnections / workers),
    maxInFlightRequests: Math.ceil(config.maxInFlightRequests / workers),
    // The largest allowed body must fit.
    maxInFlightBytes: Math.max(config.maxInFlightBytes / workers, config.maxBodyBytes),
    spoolMaxBytes: config.spoolMaxBytes / workers,
  };
}

/**
 * Rejects if Kafka or the registry turn out to be unfit. Until they are reached /readyz says so.
 */
function endedBy(connected: Promise<void>, log: Log, health: Health): Promise<never> {
  health.note('kafka', 'Kafka and the registry have not been reached yet');
  const ended = connected.then(() => {
    health.note('kafka', 'connected');
    log.info('connected to Kafka and the registry');
    return new Promise<never>(() => {});
  });
  // runUntilStopped waits for it later; until then it must not count as unhandled.
  ended.catch(() => undefined);
  return ended;
}
