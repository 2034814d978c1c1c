/** The interface of a command. */

import type { Io } from '../app/io.ts';

export type Command = {
  readonly summary: string;
  readonly usage: string;
  /** Returns the exit code. @throws AppError, which main.ts prints as one message */
  readonly run: (args: readonly string[], io: Io) => Promise<number>;
};
