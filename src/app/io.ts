/** A command's output streams and file access. */

export type Io = {
  /** Prints one line of the command's result. */
  readonly out: (line: string) => void;
  /** One line of progress or trouble. */
  readonly err: (line: string) => void;
  readonly readFile: (path: string) => string;
};
