/**
 * A failing world, with the one fact its handler needs. Bad data is never an AppError: it is a
 * value (a Rejection, a dead letter).
 */

/**
 * retriable: the same call may succeed later. fenced: another owner has taken over; give up what
 * you hold. fatal: repeating it cannot help; stop, say why, let an operator act.
 */
export type Recovery = 'retry' | 'give-up-lease' | 'stop';

export type ErrorCode =
  | 'ASSUMPTION_BROKEN'
  | 'BRIDGE_REFUSED'
  | 'BROKER_UNAVAILABLE'
  | 'CONFIG_INVALID'
  | 'FENCED'
  | 'KAFKA_REFUSED'
  | 'LOOKUP_UNAVAILABLE'
  | 'PORT_UNAVAILABLE'
  | 'REGISTRY_REFUSED'
  | 'REGISTRY_UNAVAILABLE'
  | 'SCHEMA_INCOMPATIBLE'
  | 'SCHEMA_MISSING'
  | 'SPOOL_FULL'
  | 'SPOOL_UNUSABLE'
  | 'TOPIC_UNFIT';

export class AppError extends Error {
  readonly code: ErrorCode;
  readonly recovery: Recovery;

  constructor(code: ErrorCode, recovery: Recovery, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'AppError';
    this.code = code;
    this.recovery = recovery;
  }

  /** The property by which KafkaJS decides whether to try again or to end the consumer. */
  get retriable(): boolean {
    return this.recovery !== 'stop';
  }
}

/**
 * What a command that failed shows: the stack only of what is not ours, for that is a broken
 * assumption.
 */
export function shownOf(error: unknown): string {
  return error instanceof AppError || !(error instanceof Error)
    ? messageOf(error)
    : String(error.stack);
}

/** What to show of an error that is not ours: its message, never its stack. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
