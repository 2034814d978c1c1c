/** What a worker and its supervisor tell each other. Everything goes as JSON. */

import type { ErrorCode } from '../errors.ts';
import type { MetricsSnapshot } from '../observability/aggregate-metrics.ts';
import type { Status } from '../observability/health.ts';

/** What a service says of itself once it runs: its ports and paths. */
export type ServiceFacts = Readonly<Record<string, unknown>>;

export type ToWorker =
  /** How are you? The answer is also the sign that the worker's event loop turns. */
  | { readonly kind: 'query'; readonly query: number }
  /** Stop gracefully; the second time, at once. (Not a signal, since the system may send signals to the whole process group.) */
  | { readonly kind: 'stop' }
  /** The port whose connections it is given from now on. */
  | { readonly kind: 'port'; readonly port: number }
  /** One of them, which comes beside it. */
  | { readonly kind: 'connection' }
  /** There are no more. */
  | { readonly kind: 'last-connection' };

export type WorkerReport = { readonly status: Status; readonly metrics: MetricsSnapshot };

export type Failure = { readonly text: string; readonly code: ErrorCode | undefined };

export type FromWorker =
  | { readonly kind: 'report'; readonly query: number; readonly report: WorkerReport }
  | { readonly kind: 'running'; readonly facts: ServiceFacts }
  /** What whoever takes its place should know, if it dies now. */
  | { readonly kind: 'last-will'; readonly text: string }
  | AboutConnections
  /** It ends by itself, for this reason. */
  | { readonly kind: 'failed'; readonly failure: Failure };

export type AboutConnections =
  /** It can be given some; it wants no more. */
  | { readonly kind: 'takes-connections' | 'takes-no-connections' }
  /** It has taken so many of those it was given, and has so many now. */
  | { readonly kind: 'has-connections'; readonly taken: number; readonly open: number };
