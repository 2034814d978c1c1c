/** The command line, as a command reads it. */

import type { Io } from '../app/io.ts';
import { messageOf } from '../errors.ts';

/** What `read` makes of it; undefined where that throws: then what was wrong is said, and how the command is used. */
export function parseOrUsage<T>(io: Io, usage: string, read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    io.err(`${messageOf(error)}\n\nusage: ${usage}`);
    return undefined;
  }
}
