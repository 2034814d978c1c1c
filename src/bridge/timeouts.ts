/** The time by which a request must be answered, whatever happens. */

export class Deadline {
  readonly #timer: NodeJS.Timeout;
  #act: (() => void) | undefined;
  hasPassed = false;

  constructor(ms: number) {
    this.#timer = setTimeout(() => {
      this.hasPassed = true;
      this.#act?.();
    }, ms);
  }

  /** What is done when it passes, at once where it has; in place of what was given before. */
  whenPassed(act: () => void): void {
    if (this.hasPassed) act();
    else this.#act = act;
  }

  clear(): void {
    clearTimeout(this.#timer);
  }
}
