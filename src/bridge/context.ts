/** The parts of the bridge that handling a webhook needs. */

import type { BridgeConfig } from '../config/config.ts';
import type { Sources } from '../config/sources.ts';
import type { Log } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { Tracing } from '../observability/tracing.ts';
import type { Batcher } from './batcher.ts';
import type { InFlight } from './in-flight.ts';
import type { RefusalLog, RefusedHead } from './refusal-log.ts';
import { type Outcome, outcomeLabel } from './responses.ts';
import type { StoreProgress } from './store-progress.ts';

export type BridgeContext = {
  readonly config: BridgeConfig;
  /** Returns the sources and secrets in force. */
  readonly sources: () => Sources;
  readonly rawTopic: string;
  readonly batcher: Batcher;
  readonly inFlight: InFlight;
  readonly refusals: RefusalLog;
  readonly progress: StoreProgress;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly tracing: Tracing;
  readonly isStopping: () => boolean;
};

/**
 * Counts the outcome of a request, and keeps it for people if it is a refusal.
 * @param headOf called for refusals only; undefined if no request could be read
 */
export function countOutcome(
  { metrics, refusals }: Pick<BridgeContext, 'metrics' | 'refusals'>,
  outcome: Outcome,
  source: string,
  headOf: () => RefusedHead | undefined,
): void {
  metrics.webhooks.count(source, outcomeLabel(outcome));
  if (outcome.kind === 'problem') refusals.note(outcome, source, headOf());
}

/** The metric label of requests that name no known source. */
export const noSource = 'none';
