/** Opens the look-ups at Voucherify's API, if its credentials are configured. */

import type { Config } from '../config/config.ts';
import { Lookups, lookupOutcomes } from '../enrichment/lookups.ts';
import type { Metrics } from '../observability/metrics.ts';
import { VoucherifyApi } from '../voucherify/api.ts';

export function openLookups(
  { project, lookup }: Config<'project' | 'lookup'>,
  metrics: Metrics,
): Lookups | undefined {
  const { appId, appToken, timeoutMs, concurrency, cacheSize, cacheTtlMs, onFailure } = lookup;
  if (appId === undefined || appToken === undefined) return undefined;
  for (const outcome of lookupOutcomes) metrics.lookups.inc({ outcome }, 0);
  const api = new VoucherifyApi({ url: project.apiUrl, appId, appToken, timeoutMs });
  const lookups: Lookups = new Lookups(api, {
    concurrency,
    cacheSize,
    cacheTtlMs,
    maxWaitMs: timeoutMs,
    onFailure,
    onLookup: (outcome) => {
      metrics.lookups.inc({ outcome });
      metrics.lookupCircuitOpen.set(lookups.isCircuitOpen ? 1 : 0);
    },
  });
  return lookups;
}
