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

/** Writes one line to standard error: standard output is the command's result. */
export function auditOperator(
  action: AuditedAction,
  facts: Readonly<Record<string, unknown>> & { readonly by: string },
): void {
  audit(createLog('info', 'cli', process.stderr), action, facts);
}
