/** Compares the process's limit of open files with what the bridge needs. */

import { readFileSync } from 'node:fs';
import type { Log } from '../observability/log.ts';

/** Files for the admin port, Kafka, the spool and Node itself. */
const otherFiles = 1_200;

/**
 * Warns if file descriptors may run out. Then the kernel closes connections without a response,
 * also those of health checks, and the process cannot report it.
 */
export function warnOfFewFiles(maxConnections: number, log: Log): void {
  const maxFiles = maxOpenFiles();
  if (maxFiles === undefined || maxFiles >= maxConnections + otherFiles) return;
  const text = `this process may open ${maxFiles} files (ulimit -n), fewer than CONNECTIONS_MAX (${maxConnections} per worker) and ${otherFiles} others need: raise the limit, or lower CONNECTIONS_MAX`;
  log.warn(text);
}

/** Returns undefined if the system does not tell (not Linux). */
function maxOpenFiles(): number | undefined {
  try {
    const limits = readFileSync('/proc/self/limits', 'utf8');
    const [, found] = /^Max open files\s+(\d+)/m.exec(limits) ?? [];
    return found === undefined ? undefined : Number(found);
  } catch {
    return undefined;
  }
}
