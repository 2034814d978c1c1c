/** Reads a credential that may be renewed in its file. */

import type { Rereadable } from '../config/rereadable.ts';
import type { Log } from '../observability/log.ts';

/** Problems that were logged, so that each is logged once, not at every connection. */
const logged = new WeakMap<Rereadable<unknown>, string>();

/** Returns the value now. A file that cannot be used is logged, and the last good value stays. */
export function currentOf<T>(value: Rereadable<T>, log: Log): T;
export function currentOf<T>(value: Rereadable<T> | undefined, log: Log): T | undefined;
export function currentOf<T>(value: Rereadable<T> | undefined, log: Log): T | undefined {
  if (value === undefined) return undefined;
  const current = value.current();
  const { problem } = value;
  if (problem === undefined) logged.delete(value);
  else if (logged.get(value) !== problem) {
    logged.set(value, problem);
    log.warn(`${problem}. The last value stays in use`);
  }
  return current;
}
