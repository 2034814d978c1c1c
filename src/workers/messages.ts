/** The messages between a worker and its supervisor, sent as JSON. */

import type { ErrorCode } from '../errors.ts';
import type { MetricsSnapshot } from '../observability/aggregate-metrics.ts';
import type { Status } from '../observability/health.ts';
import type { RefusalReport } from '../observability/refusals.ts';

/** Facts of a running service for the log: ports, paths, group. */
export type ServiceFacts = Readonly<Record<string, unknown>>;

export type ToWorker =
  /** Asks for a report. The response also shows that the worker's event loop turns. */
  | { readonly kind: 'query'; readonly query: number }
  /**
   * Stops gracefully; the second time, at once. (Not a signal: the system may send signals to the
   * whole process group.)
   */
  | { readonly kind: 'stop' }
  /** The port whose connections the worker gets from now on. */
  | { readonly kind: 'port'; readonly port: number }
  /** A connection, sent as the message's handle. */
  | { readonly kind: 'connection' }
  /** No more connections follow. */
  | { readonly kind: 'last-connection' };

export type WorkerReport = {
  readonly status: Status;
  readonly metrics: MetricsSnapshot;
  readonly refusals: RefusalReport;
};

export type Failure = { readonly text: string; readonly code: ErrorCode | undefined };

export type FromWorker =
  | { readonly kind: 'report'; readonly query: number; readonly report: WorkerReport }
  | { readonly kind: 'running'; readonly facts: ServiceFacts }
  /** The text for the worker's successor, if the worker dies now. */
  | { readonly kind: 'last-will'; readonly text: string }
  | AboutConnections
  /** The worker ends for this reason, without having been told to. */
  | { readonly kind: 'failed'; readonly failure: Failure };

export type AboutConnections =
  /** The worker accepts connections, or no more of them. */
  | { readonly kind: 'takes-connections' | 'takes-no-connections' }
  /** It has taken so many of the connections sent to it, and has so many open. */
  | { readonly kind: 'has-connections'; readonly taken: number; readonly open: number };
