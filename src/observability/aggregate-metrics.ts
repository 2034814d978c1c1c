/** The metrics of several processes as those of one: added up, or as each metric's `aggregator` says. */

import { AggregatorRegistry } from 'prom-client';
import type { Metrics } from './metrics.ts';

/** Of one process; it can be sent as JSON. */
export type MetricsSnapshot = Awaited<ReturnType<Metrics['registry']['getMetricsAsJSON']>>;

export function snapshotOf(metrics: Metrics): Promise<MetricsSnapshot> {
  return metrics.registry.getMetricsAsJSON();
}

/** In Prometheus' text format. */
export function textOf(snapshots: readonly MetricsSnapshot[]): Promise<string> {
  return AggregatorRegistry.aggregate([...snapshots]).metrics();
}

/** What stays of a process that is gone: without what it has counted, sums would shrink, and Prometheus would take that for a restart of all. */
export function countedIn(snapshots: readonly MetricsSnapshot[]): Promise<MetricsSnapshot> {
  const counted = snapshots.map((metrics) =>
    metrics.filter(({ type }) => ['counter', 'histogram'].includes(String(type))),
  );
  return AggregatorRegistry.aggregate(counted).getMetricsAsJSON();
}
