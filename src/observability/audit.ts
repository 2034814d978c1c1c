/**
 * Records what operators decide: one JSON line each, with `"logger":"audit"`, which log pipelines
 * can keep apart.
 */

import type { Log } from './log.ts';

export type AuditedAction =
  /** With `allowStale`, also dead letters older than DEDUP_WINDOW. */
  | 'dead-letters.redrive'
  /** Personal data was shown to an operator. */
  | 'personal-data.unmask'
  /** Publications of which no webhook came were written to raw. */
  | 'reconcile.backfill'
  | 'reference-data.put'
  | 'reference-data.remove'
  /** The journal was given to recreated topics, or to another group. */
  | 'journal.adopt'
  /** A changed file came into force. The file's own history knows who changed it. */
  | 'routes.change'
  | 'webhook-secrets.change'
  /** Voucherify's webhook was made active. */
  | 'webhook.enable'
  | 'verify.run';

/** @param facts no secrets and no personal data */
export function audit(
  log: Log,
  action: AuditedAction,
  facts: Readonly<Record<string, unknown>>,
): void {
  log.info({ logger: 'audit', action, ...facts }, `audit: ${action}`);
}
