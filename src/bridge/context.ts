/** The parts of the bridge that handling a webhook needs. */

import type { BridgeConfig } from '../config/config.ts';
import type { Sources } from '../config/sources.ts';
import type { Log } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { Tracing } from '../observability/tracing.ts';
import type { Batcher } from './batcher.ts';
import type { InFlight } from './in-flight.ts';
import type { RefusalLog } from './refusal-log.ts';
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

/** The metric label of requests that name no known source. */
export const noSource = 'none';
