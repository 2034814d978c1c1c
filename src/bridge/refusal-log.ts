/** Logs the likely causes when a source's webhooks are refused again and again. */

import type { Log } from '../observability/log.ts';
import type { Problem } from './problems.ts';

/** Strangers knock at any public address: one refusal deserves no line, a run without a single acceptance does. */
const runLength = 10;
const sayAgainAfterMs = 60_000;

const causes: Readonly<Record<string, string>> = {
  'wrong-signature':
    'webhooks are refused: their signature fits no secret. Is the secret that of this Voucherify project and address? Does the setting hold quotes, a name without a colon, or white space? Does a proxy change the body?',
  'no-signature':
    'webhooks are refused: the header x-voucherify-signature is missing. Does a proxy take it away, or is this address called by something else?',
  'sender-not-allowed':
    'webhooks are refused: the sender is none of ALLOWED_SENDERS. Behind a proxy the sender is found by TRUSTED_PROXY_HOPS, in X-Forwarded-For',
};

type Run = { length: number; saidAt: number };

export class Refusals {
  readonly #log: Log;
  readonly #runs = new Map<string, Run>();

  constructor(log: Log) {
    this.#log = log;
  }

  /** @param sender the address that ALLOWED_SENDERS was asked for */
  note({ slug }: Problem, source: string, sender: string | undefined): void {
    const cause = causes[slug];
    if (cause === undefined) return;
    const key = `${source} ${slug}`;
    const run = this.#runs.get(key) ?? { length: 0, saidAt: Number.NEGATIVE_INFINITY };
    this.#runs.set(key, run);
    run.length += 1;
    const now = performance.now();
    if (run.length < runLength || now - run.saidAt < sayAgainAfterMs) return;
    run.saidAt = now;
    this.#log.warn({ source, refused: run.length, sender }, cause);
  }

  /** Resets the runs of a source: a verified webhook shows that its secrets are right. */
  verified(source: string): void {
    if (this.#runs.size === 0) return;
    for (const slug of Object.keys(causes)) this.#runs.delete(`${source} ${slug}`);
  }
}
