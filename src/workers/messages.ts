/** What a worker and its supervisor tell each other. Everything goes as JSON. */

import type { ErrorCode } from '../errors.ts';
import type { Status } from '../observability/health.ts';
import type { Snapshot } from '../observability/together.ts';

/** What a service says of itself once it runs: its ports and paths. */
export type Facts = Readonly<Record<string, unknown>>;

/** From the supervisor: how are you? The answer is also the sign that the worker's event loop turns. */
export type Question = { readonly ask: number };

export type Look = { readonly status: Status; readonly metrics: Snapshot };

export type Failure = { readonly text: string; readonly code: ErrorCode | undefined };

export type FromWorker =
  | { readonly kind: 'look'; readonly ask: number; readonly look: Look }
  | { readonly kind: 'running'; readonly facts: Facts }
  /** What whoever takes its place should know, if it dies now. */
  | { readonly kind: 'will'; readonly text: string }
  /** It ends by itself, for this reason. */
  | { readonly kind: 'failed'; readonly failure: Failure };
