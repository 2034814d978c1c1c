/** A command's output streams and file access. */

export type Io = {
  /** One line for whoever reads the command's result. */
  readonly out: (line: string) => void;
  /** One line of progress or trouble. */
  readonly err: (line: string) => void;
  readonly readFile: (path: string) => string;
};
