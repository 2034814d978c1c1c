/** What a command is. */

export type Io = {
  /** One line for whoever reads the command's result. */
  readonly out: (line: string) => void;
  /** One line of progress or trouble. */
  readonly err: (line: string) => void;
  readonly readFile: (path: string) => string;
};

export type Command = {
  readonly summary: string;
  readonly usage: string;
  /** Answers the exit code. @throws AppError, which main.ts shows as one message */
  readonly run: (args: readonly string[], io: Io) => Promise<number>;
};
