/** What the handling of each webhook needs of the bridge. */

import type { BridgeConfig } from '../config/config.ts';
import type { Sources } from '../config/sources.ts';
import type { Log } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { Batcher } from './batcher.ts';
import type { InFlight } from './in-flight.ts';
import type { Refusals } from './refusal-log.ts';
import type { StoreProgress } from './store-progress.ts';

export type BridgeContext = {
  readonly config: BridgeConfig;
  /** Those that are valid now. */
  readonly sources: () => Sources;
  readonly rawTopic: string;
  readonly batcher: Batcher;
  readonly inFlight: InFlight;
  readonly refusals: Refusals;
  readonly progress: StoreProgress;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly isStopping: () => boolean;
};

/** Of the metric, for what arrived under no known source. */
export const noSource = 'none';
