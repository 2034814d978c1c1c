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
 * Writes to standard output at once. (pino's own destination repeats a write to a closed reader
 * forever, also at exit, so the service would not end.) Without a reader the lines are lost.
 */
function stdout(): NodeJS.WritableStream {
  // Once per process, however many logs it creates.
  if (!process.stdout.listeners('error').includes(ignore)) process.stdout.on('error', ignore);
  return process.stdout;
}

const ignore = () => undefined;

/**
 * Serializes an error. The stack is included only for errors that are neither ours nor KafkaJS's,
 * because these are broken assumptions.
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
