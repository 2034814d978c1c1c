/** Aggregates the metrics of several processes: added up, or as each metric's `aggregator` says. */

import { AggregatorRegistry } from 'prom-client';
import type { Metrics } from './metrics.ts';

/** The metrics of one process; can be sent as JSON. */
export type MetricsSnapshot = Awaited<ReturnType<Metrics['registry']['getMetricsAsJSON']>>;

export function snapshotOf(metrics: Metrics): Promise<MetricsSnapshot> {
  return metrics.registry.getMetricsAsJSON();
}

/** Renders the aggregate in Prometheus' text format. */
export function renderMetrics(snapshots: readonly MetricsSnapshot[]): Promise<string> {
  return AggregatorRegistry.aggregate([...snapshots]).metrics();
}

/**
 * Returns the counters and histograms, which outlive a process. Without those of an ended process
 * the sums would shrink, and Prometheus would take that for a restart of all.
 */
export function countersOf(snapshots: readonly MetricsSnapshot[]): Promise<MetricsSnapshot> {
  const counters = snapshots.map((metrics) =>
    metrics.filter(({ type }) => ['counter', 'histogram'].includes(String(type))),
  );
  return AggregatorRegistry.aggregate(counters).getMetricsAsJSON();
}
