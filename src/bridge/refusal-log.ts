/**
 * Keeps what was refused lately, for people. Logs the likely causes when a source's webhooks are
 * refused many times in a row.
 */

import { Throttle } from '../concurrency/throttle.ts';
import type { Log } from '../observability/log.ts';
import { type RefusalReport, Refusals } from '../observability/refusals.ts';
import type { Problem } from './problems.ts';
import { type RequestHead, type RequestLimits, senderOf } from './request-rules.ts';

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

export type RefusedHead = RequestHead & {
  readonly contentType: string | undefined;
  readonly userAgent?: string | undefined;
};

export class RefusalLog {
  readonly #limits: Pick<RequestLimits, 'trustedProxyHops'>;
  readonly #log: Log;
  readonly #refusals = new Refusals();
  readonly #runs = new Map<string, Run>();

  constructor(limits: Pick<RequestLimits, 'trustedProxyHops'>, log: Log) {
    this.#limits = limits;
    this.#log = log;
  }

  report(): RefusalReport {
    return this.#refusals.report(Date.now());
  }

  /** @param head undefined if no request could be read */
  note({ slug, status }: Problem, source: string, head: RefusedHead | undefined): void {
    const sender = head && senderOf(head, this.#limits);
    this.#refusals.add({
      ...{ atMs: Date.now(), source, reason: slug, status, sender },
      method: head?.method,
      path: head?.url,
      contentType: head?.contentType,
      contentLength: head?.contentLength,
      userAgent: head?.userAgent,
      hasSignature: Boolean(head?.signature),
    });
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
