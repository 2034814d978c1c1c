/** One worker of `voucherbus bridge`: what it is made of, and how it starts and ends. */

import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Batcher } from '../bridge/batcher.ts';
import { InFlight } from '../bridge/in-flight.ts';
import { Refusals } from '../bridge/refusal-log.ts';
import { startBridge } from '../bridge/server.ts';
import { StoreProgress } from '../bridge/store-progress.ts';
import type { WebhookStore } from '../bridge/webhook-store.ts';
import type { BridgeConfig, Config } from '../config/config.ts';
import { createHealth, type Health } from '../observability/health.ts';
import { createLog, type Log } from '../observability/log.ts';
import { createMetrics, type Metrics } from '../observability/metrics.ts';
import { createCatalog } from '../topics/catalog.ts';
import { version } from './environment.ts';
import type { Io } from './io.ts';
import { openWebhookStore } from './open-webhook-store.ts';
import { openRawWriter, type RawWriter } from './raw-writer.ts';
import { followSources } from './reload/secrets.ts';
import type { WorkerContext } from './run-service.ts';
import { runUntilStopped } from './shutdown.ts';

type AllConfig = Config<
  'kafka' | 'registry' | 'start' | 'topics' | 'operation' | 'webhook' | 'bridge'
>;

export async function runBridgeApp(
  given: AllConfig,
  worker: WorkerContext,
  io: Io,
): Promise<number> {
  const config = { ...given, bridge: shareOf(given.bridge, worker.of) };
  const log = createLog(config.operation.logLevel, 'bridge');
  const health = createHealth(['bridge']);
  const metrics = createMetrics({ version });
  const shown = await worker.show(health, metrics);
  const hasSpool = config.bridge.spoolDirectory !== undefined;
  const limit = hasSpool ? { timeoutMs: Number.POSITIVE_INFINITY } : config.start;
  warnOfFewFiles(config.bridge.maxConnections, log);
  const raw = openRawWriter({ ...config, start: limit }, log, metrics);
  const ended = Promise.race([endedBy(raw.connected, log, health), raw.ended]);
  // Without a spool nothing can be taken until Kafka is there; with one it can, and what comes meanwhile need not wait for it.
  await (hasSpool
    ? Promise.race([raw.connected, sleep(config.bridge.spoolAfterMs)])
    : raw.connected);
  const progress = new StoreProgress(log);
  const store = await openWebhookStore(config.bridge, worker, progress.watch(raw.write), log);
  const batcher = new Batcher(
    (webhooks) => {
      metrics.batchRecords.observe(webhooks.length);
      return store.keep(webhooks);
    },
    { maxRecords: config.bridge.maxBatchRecords, maxBytes: config.bridge.maxBatchBytes },
  );
  const inFlight = new InFlight({
    maxRequests: config.bridge.maxInFlightRequests,
    maxBytes: config.bridge.maxInFlightBytes,
  });
  const sources = followSources(config.webhook, io, log, metrics);
  const context = {
    config: config.bridge,
    sources: sources.current,
    rawTopic: createCatalog(config.topics).raw,
    batcher,
    inFlight,
    refusals: new Refusals(log),
    progress,
    log,
    metrics,
  };
  const bridge = await startBridge(context, worker.listen);
  const refreshed = setInterval(() => {
    metrics.webhooksInFlight.set(inFlight.requests);
    metrics.bytesInFlight.set(inFlight.bytes);
    showSpool(store, metrics, health);
    void showProgress(progress, raw, hasSpool, health);
  }, 1_000);
  health.ready('bridge');
  const paths = [...sources.current().keys()].map((source) => `/webhooks/${source}`);
  const facts = { port: bridge.port, path: paths[0], paths };
  return runUntilStopped(
    log,
    ended,
    [
      [
        'no longer ready',
        async () => {
          clearInterval(refreshed);
          sources.stop();
          health.notReady('bridge', 'stopping');
        },
      ],
      ['webhooks answered', bridge.close, responsesLimitMs + config.bridge.shutdownDelayMs],
      ['spool closed', store.close],
      ['producer closed', raw.close],
      ['admin closed', shown.close],
    ],
    () => worker.announce(log, facts),
  );
}

/** For the admin port, Kafka, the spool and Node itself. */
const otherFiles = 1_200;

/** Without a free file descriptor connections are closed unanswered, also those of health checks, and nothing says so. */
function warnOfFewFiles(maxConnections: number, log: Log): void {
  const maxFiles = maxOpenFiles();
  if (maxFiles === undefined || maxFiles >= maxConnections + otherFiles) return;
  const text = `this process may open ${maxFiles} files (ulimit -n), fewer than CONNECTIONS_MAX (${maxConnections} for each worker) and ${otherFiles} others need: raise the limit, or lower CONNECTIONS_MAX`;
  log.warn(text);
}

/** Undefined where the system does not tell (not Linux). */
function maxOpenFiles(): number | undefined {
  try {
    const [, found] =
      /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? [];
    return found === undefined ? undefined : Number(found);
  } catch {
    return undefined;
  }
}

/** Longer than RESPONSE_TIMEOUT can be. */
const responsesLimitMs = 15_000;

/** The limits are the whole bridge's: each of its workers has its part of them. */
function shareOf(config: BridgeConfig, workers: number): BridgeConfig {
  return {
    ...config,
    maxConnections: Math.ceil(config.maxConnections / workers),
    maxInFlightRequests: Math.ceil(config.maxInFlightRequests / workers),
    // The largest body that is allowed must find room in it.
    maxInFlightBytes: Math.max(config.maxInFlightBytes / workers, config.maxBodyBytes),
    spoolMaxBytes: config.spoolMaxBytes / workers,
  };
}

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

/**
 * Without a spool a bridge that cannot store anything is not ready; others may be. Then nothing is sent to it any more, so it asks Kafka itself
 * whether it is back.
 */
async function showProgress(
  progress: StoreProgress,
  raw: Pick<RawWriter, 'isReachable'>,
  hasSpool: boolean,
  health: Health,
): Promise<void> {
  if (progress.standstill && (await raw.isReachable())) progress.succeeded();
  const { standstill } = progress;
  if (standstill === undefined) {
    if (health.status().parts['bridge'] === 'stopping') return;
    health.note('kafka', 'connected');
    health.ready('bridge');
    return;
  }
  const text = `nothing reached Kafka since ${standstill.since.toISOString()}: ${standstill.reason}`;
  health.note('kafka', text);
  if (!hasSpool) health.notReady('bridge', text);
}

function showSpool({ spoolState }: WebhookStore, metrics: Metrics, health: Health): void {
  const state = spoolState();
  if (state === undefined) return;
  const { webhooks, bytes, oldestMs, refused, damaged } = state;
  const ageSeconds = oldestMs === undefined ? 0 : Math.max(0, (Date.now() - oldestMs) / 1_000);
  metrics.spoolWebhooks.set(webhooks);
  metrics.spoolBytes.set(bytes);
  metrics.spoolAgeSeconds.set(ageSeconds);
  metrics.spoolRefused.set(refused);
  metrics.spoolDamaged.set(damaged);
  // It takes webhooks all the same; whoever looks should see it.
  const asides = refused > 0 ? `, ${refused} refused by Kafka are set aside` : '';
  const age = `oldest ${ageSeconds.toFixed(0)} s`;
  health.note('spool', `${webhooks} webhooks, ${bytes} bytes, ${age}${asides}`);
}
