/** The person at the command line, and the record of what they do. */

import { userInfo } from 'node:os';
import { type AuditedAction, audit } from '../observability/audit.ts';
import { createLog } from '../observability/log.ts';

/** Returns the name of the system's user; in an image without user names, the number. */
export function operatorName(): string {
  try {
    return process.env['SUDO_USER'] || userInfo().username;
  } catch {
    return `uid ${process.getuid?.()}`;
  }
}

type Facts = Readonly<Record<string, unknown>> & { readonly by: string };

/** Writes one line to standard error: standard output is the command's result. */
export function auditOperator(action: AuditedAction, facts: Facts): void {
  audit(createLog('info', 'cli', process.stderr), action, facts);
}

/** Runs what an operator asked for, and writes one line about it, also if it fails half-way. */
export async function audited<T>(
  action: AuditedAction,
  facts: () => Facts,
  run: () => Promise<T>,
): Promise<T> {
  let outcome = 'failed';
  try {
    const result = await run();
    outcome = 'done';
    return result;
  } finally {
    auditOperator(action, { ...facts(), outcome });
  }
}
