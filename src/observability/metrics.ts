/**
 * Declares every metric. The names follow Prometheus' conventions, and label values are closed
 * lists.
 */

import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

const seconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** Metrics of several workers are added, unless `aggregator` says otherwise. */
export type Metrics = ReturnType<typeof createMetrics>;

// biome-ignore lint/complexity/noExcessiveLinesPerFunction: a table of declarations
export function createMetrics(build: { readonly version: string }) {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  const named = (name: string, help: string) => ({ name: `voucherbus_${name}`, help, registers });
  const metrics = {
    registry,
    buildInfo: new Gauge({
      ...named('build_info', 'Always 1; the labels tell what runs'),
      labelNames: ['version', 'node'],
      aggregator: 'first',
    }),
    workers: new Gauge(named('workers', 'Processes that do the work of this service')),
    ready: new Gauge({
      ...named('ready', '1 while /readyz responds with 200'),
      labelNames: ['service'],
      aggregator: 'max',
    }),
    memoryWorkingSet: new Gauge({
      ...named('memory_working_set_bytes', 'Memory of this container, without what can be evicted'),
      aggregator: 'max',
    }),
    memoryLimit: new Gauge({
      ...named('memory_limit_bytes', 'Memory limit of this container; 0 without one'),
      aggregator: 'max',
    }),
    workerDeaths: new Counter(
      named('worker_deaths_total', 'Workers that died and were not told to'),
    ),
    certificateNotAfter: new Gauge({
      ...named(
        'certificate_not_after_timestamp_seconds',
        'End of the TLS certificate that expires first, by whose it is',
      ),
      labelNames: ['peer', 'certificate'],
      aggregator: 'min',
    }),
    // bridge
    webhooks: createPairCounter(
      named('webhooks_received_total', 'Webhooks by outcome'),
      'source',
      'outcome',
    ),
    signatures: createPairCounter(
      named('webhook_signatures_total', 'Verified webhooks by the name of the secret'),
      'source',
      'secret',
    ),
    secretsReloads: new Counter({
      ...named('webhook_secrets_reloads_total', 'Times WEBHOOK_SECRETS_FILE changed, by outcome'),
      labelNames: ['outcome'],
    }),
    reloadFailing: new Gauge({
      ...named('reload_failing', '1 while a file has changed and cannot be used: secrets, routes'),
      labelNames: ['file'],
      aggregator: 'max',
    }),
    webhookSeconds: new Histogram({
      ...named('webhook_duration_seconds', 'From the first byte to the response'),
      buckets: seconds,
    }),
    webhooksInFlight: new Gauge(named('webhooks_in_flight', 'Webhooks not yet answered')),
    bytesInFlight: new Gauge(named('webhook_bytes_in_flight', 'Bytes of their bodies')),
    batchRecords: new Histogram({
      ...named('bridge_batch_records', 'Webhooks in one produce request'),
      buckets: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000],
    }),
    spoolWebhooks: new Gauge(named('spool_webhooks', 'Webhooks that wait in the spool for Kafka')),
    spoolBytes: new Gauge(named('spool_bytes', 'Bytes of the spool')),
    spoolLimitBytes: new Gauge(named('spool_limit_bytes', 'SPOOL_MAX_BYTES; 0 without a spool')),
    spoolAgeSeconds: new Gauge({
      ...named('spool_oldest_age_seconds', 'Since the oldest webhook in the spool was received'),
      aggregator: 'max',
    }),
    spoolRefused: new Gauge(
      named(
        'spool_refused',
        'Webhooks that Kafka refuses for good; they are kept in files of the spool',
      ),
    ),
    clockRefusals: new Counter(
      named(
        'clock_refusals_total',
        "Writes whose timestamps Kafka refused: this host's clock is too far from the broker's",
      ),
    ),
    spoolDamaged: new Gauge(
      named('spool_damaged', 'Entries of the spool that could not be read; their files are kept'),
    ),
    webhookConfigured: new Gauge({
      ...named(
        'webhook_configured',
        "1 if Voucherify's webhook is as it must be, by check: target (one sends to us), active, subscribed; shown by the bridge that asks",
      ),
      labelNames: ['check'],
      aggregator: 'max',
    }),
    webhookWatchFailing: new Gauge({
      ...named('webhook_watch_failing', '1 while Voucherify cannot be asked about its webhook'),
      aggregator: 'max',
    }),
    // processor
    lookups: new Counter({
      ...named('lookups_total', "Look-ups at Voucherify's API by outcome"),
      labelNames: ['outcome'],
    }),
    lookupCircuitOpen: new Gauge({
      ...named(
        'lookup_circuit_open',
        '1 while nothing is asked, for several look-ups failed in a row',
      ),
      aggregator: 'max',
    }),
    referenceEntries: new Gauge({
      ...named('reference_entries', "Campaigns of which the company's own data is known"),
      aggregator: 'max',
    }),
    routesReloads: new Counter({
      ...named('routes_reloads_total', 'Times ROUTES_FILE changed, by outcome'),
      labelNames: ['outcome'],
    }),
    events: new Counter({
      ...named('events_total', 'Raw records by decision'),
      labelNames: ['outcome', 'reason'],
    }),
    recordsOut: new Counter({
      ...named('records_out_total', 'Committed output records'),
      labelNames: ['topic'],
    }),
    transactions: new Counter({
      ...named('transactions_total', 'Transactions by outcome'),
      labelNames: ['outcome'],
    }),
    transactionSeconds: new Histogram({
      ...named('transaction_duration_seconds', 'From the begin to the response to EndTxn'),
      buckets: seconds,
    }),
    transactionRecords: new Histogram({
      ...named('transaction_records', 'Raw records in one transaction'),
      buckets: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000],
    }),
    endToEndSeconds: new Histogram({
      ...named('end_to_end_seconds', 'From the arrival at the bridge to the commit'),
      buckets: [...seconds, 30, 60, 300],
    }),
    leases: new Counter({
      ...named('leases_total', 'Leases of a partition taken, by why'),
      labelNames: ['reason'],
    }),
    rebalances: new Counter(named('rebalances_total', 'Times this processor joined the group')),
    lastRebalance: new Gauge({
      ...named(
        'last_rebalance_timestamp_seconds',
        'When this processor last joined the group; 0 until then',
      ),
      aggregator: 'max',
    }),
    partitions: new Gauge(named('assigned_partitions', 'Partitions assigned to this processor')),
    restoreSeconds: new Histogram({
      ...named('dedup_restore_seconds', 'Reading one partition of the journal'),
      buckets: seconds,
    }),
    restoreProgress: new Gauge({
      ...named(
        'dedup_restore_ratio',
        'The part of its journal that was read, of a partition that is being taken',
      ),
      labelNames: ['partition'],
      aggregator: 'max',
    }),
    dedupEntries: new Gauge({
      ...named('dedup_entries', 'Publication ids remembered'),
      labelNames: ['partition'],
      aggregator: 'max',
    }),
    lagRecords: new Gauge({
      ...named('consumer_lag_records', 'Raw records not yet processed'),
      labelNames: ['partition'],
      aggregator: 'max',
    }),
    lagSeconds: new Gauge({
      ...named(
        'consumer_lag_seconds',
        'Since the arrival of the oldest raw record that is not processed; 0 if all are',
      ),
      labelNames: ['partition'],
      aggregator: 'max',
    }),
    rawPartitions: new Gauge({
      ...named('raw_partitions', 'Partitions of raw: the sum of assigned_partitions of the group'),
      aggregator: 'max',
    }),
    openTransactionSeconds: new Gauge({
      ...named(
        'open_transaction_seconds',
        "How long the last stable offset has stood still below the end of the topic's log, of the worst partition",
      ),
      labelNames: ['topic'],
      aggregator: 'max',
    }),
    // reconcile --every
    reconcileMissing: new Gauge(
      named(
        'reconcile_missing',
        'Publications that the last run found missing and did not backfill, and rows that it could not decide',
      ),
    ),
    reconcileFailing: new Gauge(
      named('reconcile_failing', '1 while the last run failed, so that its window is unknown'),
    ),
    reconcileLastSuccess: new Gauge(
      named(
        'reconcile_last_success_timestamp_seconds',
        'When a run last came to its end, with a gap or without; 0 until then',
      ),
    ),
    reconcileBackfilled: new Counter(
      named('reconcile_backfilled_total', 'Publications that were written to raw'),
    ),
    reconcileApiCalls: new Counter(named('reconcile_api_calls_total', "Calls to Voucherify's API")),
    rawRecordsLost: new Counter(
      named(
        'raw_records_lost_total',
        'Raw records deleted by retention before they were processed',
      ),
    ),
  };
  metrics.buildInfo.set({ version: build.version, node: process.version }, 1);
  return metrics;
}

/** The content type of /metrics: Prometheus' exposition format. */
export const metricsContentType = Registry.PROMETHEUS_CONTENT_TYPE;

type Named = { readonly name: string; readonly help: string; readonly registers: Registry[] };

/**
 * A counter with two labels for the hot path: prom-client serializes the labels at each `inc`.
 * Counts are kept in a Map, and are added when the metrics are collected. The label values are
 * closed lists.
 */
function createPairCounter(named: Named, firstLabel: string, secondLabel: string) {
  const pending = new Map<string, Map<string, number>>();
  new Counter({
    ...named,
    labelNames: [firstLabel, secondLabel],
    collect() {
      for (const [first, counts] of pending) {
        for (const [second, by] of counts) {
          this.inc({ [firstLabel]: first, [secondLabel]: second }, by);
        }
      }
      pending.clear();
    },
  });
  return {
    /** @param by 0 shows the series before anything was counted */
    count: (first: string, second: string, by = 1): void => {
      const counts = pending.get(first);
      if (counts) counts.set(second, (counts.get(second) ?? 0) + by);
      else pending.set(first, new Map([[second, by]]));
    },
  };
}
