/**
 * A failure of the world around us, with its recovery. Bad data is never an AppError: it is a value
 * (a Rejection, a dead letter).
 */

/**
 * retry: the same call may succeed later. give-up-lease: another owner has taken over; give up what
 * you hold. stop: repeating cannot help; stop and let an operator act.
 */
export type Recovery = 'retry' | 'give-up-lease' | 'stop';

export type ErrorCode =
  | 'ASSUMPTION_BROKEN'
  | 'BRIDGE_REFUSED'
  | 'BROKER_UNAVAILABLE'
  | 'CONFIG_INVALID'
  | 'FENCED'
  | 'INTERRUPTED'
  | 'KAFKA_REFUSED'
  | 'LOOKUP_UNAVAILABLE'
  | 'PERMISSION_MISSING'
  | 'PORT_UNAVAILABLE'
  | 'REGISTRY_REFUSED'
  | 'REGISTRY_UNAVAILABLE'
  | 'SCHEMA_INCOMPATIBLE'
  | 'SCHEMA_MISSING'
  | 'SPOOL_FULL'
  | 'SPOOL_UNUSABLE'
  | 'TOKEN_REFUSED'
  | 'TOKEN_UNAVAILABLE'
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

  /** KafkaJS reads this property to decide whether to retry or to end the consumer. */
  get retriable(): boolean {
    return this.recovery !== 'stop';
  }
}

/**
 * Formats the error of a failed command. The stack is included only for foreign errors, because
 * these are broken assumptions.
 */
export function shownOf(error: unknown): string {
  return error instanceof AppError || !(error instanceof Error)
    ? messageOf(error)
    : String(error.stack);
}

/** Returns the message of an error, never its stack. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
