/** Keeps when the certificates in use expire, and announces it beforehand. */

import type { Log } from '../observability/log.ts';

export type CertificateKind = {
  readonly peer: 'kafka' | 'registry';
  /** Whose it is: the other side's, our own (mTLS), or the authority's that we trust. */
  readonly certificate: 'server' | 'client' | 'ca';
};

type SetEarliest = (kind: CertificateKind, notAfterSeconds: number) => void;

const dayMs = 86_400_000;

/** Long enough for a renewal by hand. */
const warnBeforeMs = 14 * dayMs;

export class CertificateWatch {
  readonly #log: Log;
  readonly #setEarliest: SetEarliest;
  readonly #notAfter = new Map<string, Map<string, number>>();

  /** @param setEarliest sets the metric: the earliest end of all certificates of a kind */
  constructor(log: Log, setEarliest: SetEarliest) {
    this.#log = log;
    this.#setEarliest = setEarliest;
  }

  /** @param name distinguishes certificates of one kind, such as brokers by host and port */
  seen(kind: CertificateKind, name: string, notAfterMs: number): void {
    const key = keyOf(kind);
    const known = this.#notAfter.get(key) ?? new Map<string, number>();
    this.#notAfter.set(key, known);
    if (known.get(name) === notAfterMs) return;
    known.set(name, notAfterMs);
    this.#setEarliest(kind, Math.min(...known.values()) / 1_000);
    const daysLeft = Math.floor((notAfterMs - Date.now()) / dayMs);
    if (notAfterMs - Date.now() < warnBeforeMs) {
      const notAfter = new Date(notAfterMs).toISOString();
      this.#log.warn({ ...kind, name, notAfter, daysLeft }, 'a certificate expires soon: renew it');
    }
  }

  /** Forgets the certificates of a kind before others take their place. */
  forget(kind: CertificateKind): void {
    this.#notAfter.delete(keyOf(kind));
  }
}

const keyOf = ({ peer, certificate }: CertificateKind) => `${peer} ${certificate}`;
