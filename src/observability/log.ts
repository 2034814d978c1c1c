/**
 * Structured logs, one JSON line each. Secrets and personal data are redacted here, for every
 * caller.
 */

import { type Logger, pino } from 'pino';

export type Log = Logger;

/** Bodies are never passed to the log; these paths are the second line of defence. */
const redacted = [
  'password',
  'secret',
  'secrets',
  'key',
  'token',
  'signature',
  'body',
  'value',
  'name',
  'email',
  'phone',
  'address',
  'birthdate',
].flatMap((field) => [field, `*.${field}`, `*.*.${field}`]);

export function createLog(
  level: string,
  service: string,
  destination?: NodeJS.WritableStream,
): Log {
  const options = {
    level,
    base: { service, pid: process.pid },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: { paths: redacted, censor: '[redacted]' },
    serializers: { err: errorFacts },
  };
  return pino(options, destination ?? stdout());
}

/**
 * Standard output, written at once. (pino's own destination repeats a write to a reader that is
 * gone for ever, at exit too: the service would not end.) Without a reader the lines are lost, not
 * the service.
 */
function stdout(): NodeJS.WritableStream {
  // Once, however many logs a process creates.
  if (!process.stdout.listeners('error').includes(ignore)) process.stdout.on('error', ignore);
  return process.stdout;
}

const ignore = () => undefined;

/**
 * An error as facts. The stack only of what neither we nor KafkaJS made: that is a broken
 * assumption.
 */
function errorFacts(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { message: String(error) };
  const { code, recovery, type } = error as Error & {
    code?: string;
    recovery?: string;
    type?: string;
  };
  return {
    type: type ?? error.name,
    message: error.message,
    ...(code === undefined ? {} : { code }),
    ...(recovery === undefined ? {} : { recovery }),
    ...(recovery === undefined && !error.name.startsWith('KafkaJS') ? { stack: error.stack } : {}),
    ...(error.cause === undefined ? {} : { cause: errorFacts(error.cause) }),
  };
}
