/** The time by which a request must be answered, whatever happens. */

export class Deadline {
  readonly #timer: NodeJS.Timeout;
  readonly passed: Promise<'passed'>;
  hasPassed = false;

  constructor(ms: number) {
    const { promise, resolve } = Promise.withResolvers<'passed'>();
    this.passed = promise;
    this.#timer = setTimeout(() => {
      this.hasPassed = true;
      resolve('passed');
    }, ms);
  }

  clear(): void {
    clearTimeout(this.#timer);
  }
}
