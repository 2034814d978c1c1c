/** Logs the likely causes when a source's webhooks are refused many times in a row. */

import { Throttle } from '../concurrency/throttle.ts';
import type { Log } from '../observability/log.ts';
import type { Problem } from './problems.ts';

/**
 * Strangers scan every public address: one refusal deserves no line, a run without a single
 * acceptance does.
 */
const runLength = 10;
const logEveryMs = 60_000;

const causes: Readonly<Record<string, string>> = {
  'wrong-signature':
    'webhooks are refused: their signature matches no secret. Is the secret that of this Voucherify project and address? Does the setting contain quotes, a name without a colon, or white space? Does a proxy change the body?',
  'no-signature':
    'webhooks are refused: the header x-voucherify-signature is missing. Does a proxy remove it, or does something else call this address?',
  'sender-not-allowed':
    'webhooks are refused: the sender is not in ALLOWED_SENDERS. Behind a proxy the sender is found by TRUSTED_PROXY_HOPS, in X-Forwarded-For',
};

type Run = { length: number; readonly throttle: Throttle };

export class RefusalLog {
  readonly #log: Log;
  readonly #runs = new Map<string, Run>();

  constructor(log: Log) {
    this.#log = log;
  }

  /** @param sender the address that was compared with ALLOWED_SENDERS */
  note({ slug }: Problem, source: string, sender: string | undefined): void {
    const cause = causes[slug];
    if (cause === undefined) return;
    const key = `${source} ${slug}`;
    const run = this.#runs.get(key) ?? { length: 0, throttle: new Throttle(logEveryMs) };
    this.#runs.set(key, run);
    run.length += 1;
    if (run.length < runLength || !run.throttle.isDue()) return;
    this.#log.warn({ source, refused: run.length, sender }, cause);
  }

  /** Resets the runs of a source: a verified webhook shows that its secrets are right. */
  verified(source: string): void {
    if (this.#runs.size === 0) return;
    for (const slug of Object.keys(causes)) this.#runs.delete(`${source} ${slug}`);
  }
}
