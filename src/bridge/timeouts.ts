/** Every time limit of the bridge that is not a setting, and the deadline of a request. */

/**
 * Keep-alive time-out. Longer than the idle time-out of the usual load balancers (60 s), so that
 * they end a connection and not the bridge.
 */
export const keepAliveMs = 75_000;

/**
 * After a refusal the rest of the body is read and dropped for this long. If the connection were
 * closed while the client still sends, the client might not get the response.
 */
export const drainMs = 500;

/** Node checks the time-outs of heads and bodies this often. */
export const checkTimeoutsEveryMs = 1_000;

/**
 * The fast path waits this long for the rest of a body. A body that takes longer was not sent at
 * once.
 */
export const fastPathBodyMs = 100;

/** Between two attempts to send the spool to Kafka. */
export const spoolRetryMs = 500;

/**
 * After a shutdown has begun, pending responses may take this long: longer than RESPONSE_TIMEOUT
 * can be.
 */
export const responsesLimitMs = 15_000;

/** The time by which a request must be answered, whatever happens. */
export class Deadline {
  readonly #timer: NodeJS.Timeout;
  #action: (() => void) | undefined;
  hasPassed = false;

  constructor(ms: number) {
    this.#timer = setTimeout(() => {
      this.hasPassed = true;
      this.#action?.();
    }, ms);
  }

  /**
   * Sets what runs when the deadline passes, in place of an earlier action. Runs it at once if it
   * has passed.
   */
  whenPassed(action: () => void): void {
    if (this.hasPassed) action();
    else this.#action = action;
  }

  clear(): void {
    clearTimeout(this.#timer);
  }
}
