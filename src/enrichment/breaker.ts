/**
 * A circuit breaker: after several failures in a row no request is made for a while, then one
 * request tries again. Pure: the time is a parameter.
 */

const failuresToOpen = 5;

export const openForMs = 10_000;

export class Breaker {
  #failures = 0;
  #openUntilMs = 0;
  #isTrying = false;

  isOpen(nowMs: number): boolean {
    return nowMs < this.#openUntilMs || (this.#failures >= failuresToOpen && this.#isTrying);
  }

  /** Returns false if no request may be made. */
  enter(nowMs: number): boolean {
    if (this.#failures < failuresToOpen) return true;
    if (this.isOpen(nowMs)) return false;
    this.#isTrying = true;
    return true;
  }

  succeeded(): void {
    this.#failures = 0;
    this.#openUntilMs = 0;
    this.#isTrying = false;
  }

  failed(nowMs: number): void {
    this.#failures += 1;
    this.#isTrying = false;
    if (this.#failures >= failuresToOpen) this.#openUntilMs = nowMs + openForMs;
  }
}
