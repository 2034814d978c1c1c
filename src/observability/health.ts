/**
 * Readiness of this process, as /readyz shows it. Liveness is only that the process responds: it
 * must not depend on others (kubernetes.io).
 */

export type Status = {
  readonly isReady: boolean;
  /** State by part: 'ready', or the reason why it is not. */
  readonly parts: Readonly<Record<string, string>>;
};

export class Health {
  readonly #reasons: Map<string, string>;
  readonly #notes = new Map<string, string>();

  /** @param parts must all be ready for the process to be ready */
  constructor(parts: readonly string[]) {
    this.#reasons = new Map(parts.map((part) => [part, 'starting']));
  }

  /** @param reason for people */
  notReady(part: string, reason: string): void {
    this.#reasons.set(part, reason);
  }

  ready(part: string): void {
    this.#reasons.set(part, 'ready');
  }

  /** Adds a text for people that does not affect the readiness. */
  note(name: string, text: string): void {
    this.#notes.set(name, text);
  }

  status(): Status {
    return {
      isReady: [...this.#reasons.values()].every((reason) => reason === 'ready'),
      parts: Object.fromEntries([...this.#reasons, ...this.#notes]),
    };
  }
}
