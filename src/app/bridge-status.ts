/** Refreshes the bridge's gauges and its readiness every second. */

import type { InFlight } from '../bridge/in-flight.ts';
import type { StoreProgress } from '../bridge/store-progress.ts';
import type { WebhookStore } from '../bridge/webhook-store.ts';
import type { Health } from '../observability/health.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { RawWriter } from './raw-writer.ts';

type BridgeParts = {
  readonly inFlight: InFlight;
  readonly store: WebhookStore;
  readonly progress: StoreProgress;
  readonly raw: Pick<RawWriter, 'isReachable'>;
  readonly hasSpool: boolean;
  readonly metrics: Metrics;
  readonly health: Health;
};

const everyMs = 1_000;

export function refreshEverySecond(parts: BridgeParts): NodeJS.Timeout {
  const { inFlight, metrics } = parts;
  return setInterval(() => {
    metrics.webhooksInFlight.set(inFlight.requests);
    metrics.bytesInFlight.set(inFlight.bytes);
    refreshSpool(parts);
    void refreshReadiness(parts);
  }, everyMs);
}

/**
 * Without a spool a bridge that cannot store anything is not ready, because other bridges may be.
 * It gets no webhooks then, so it asks Kafka itself whether it is back.
 */
async function refreshReadiness({ progress, raw, hasSpool, health }: BridgeParts): Promise<void> {
  if (progress.outage && (await raw.isReachable())) progress.succeeded();
  const { outage } = progress;
  if (outage === undefined) {
    if (health.status().parts['bridge'] === 'stopping') return;
    health.note('kafka', 'connected');
    health.ready('bridge');
    return;
  }
  const text = `nothing reached Kafka since ${outage.since.toISOString()}: ${outage.reason}`;
  health.note('kafka', text);
  if (!hasSpool) health.notReady('bridge', text);
}

/** The spool does not affect the readiness, but an operator should see it. */
function refreshSpool({ store, metrics, health }: BridgeParts): void {
  const state = store.spoolState();
  if (state === undefined) return;
  const { webhooks, bytes, oldestMs, refused, damaged } = state;
  const ageSeconds = oldestMs === undefined ? 0 : Math.max(0, (Date.now() - oldestMs) / 1_000);
  metrics.spoolWebhooks.set(webhooks);
  metrics.spoolBytes.set(bytes);
  metrics.spoolAgeSeconds.set(ageSeconds);
  metrics.spoolRefused.set(refused);
  metrics.spoolDamaged.set(damaged);
  const asides = refused > 0 ? `, ${refused} refused by Kafka are set aside` : '';
  const age = `oldest ${ageSeconds.toFixed(0)} s`;
  health.note('spool', `${webhooks} webhooks, ${bytes} bytes, ${age}${asides}`);
}
