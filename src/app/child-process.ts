/**
 * Runs voucherbus commands as child processes: starts them with an environment, waits for a log
 * line, stops or kills them.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const main = fileURLToPath(new URL('../main.ts', import.meta.url));

export type Environment = Readonly<Record<string, string | undefined>>;
type LogLine = Readonly<Record<string, unknown>>;

export type Child = {
  readonly pid: number;
  /** Returns all logs and messages so far. */
  readonly output: () => string;
  /**
   * Returns the first log line, past or future, with this message.
   * @throws Error with the output if the process ends before
   */
  readonly said: (message: string) => Promise<LogLine>;
  readonly kill: (signal: NodeJS.Signals) => void;
  /** Resolves with the exit code; null after a signal. */
  readonly exited: Promise<number | null>;
  /** Sends SIGTERM, and waits until the process has ended. */
  readonly [Symbol.asyncDispose]: () => Promise<void>;
};

/** @param program by default this version's main.ts */
export function startChild(args: readonly string[], env: Environment, program = main): Child {
  const child = spawn(process.execPath, [program, ...args], {
    env: { ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const lines: string[] = [];
  const listeners = new Set<() => void>();
  const tell = () => {
    for (const listener of [...listeners]) listener();
  };
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => {
      lines.push(line);
      tell();
    });
  }
  const exited = exitOf(child);
  let hasExited = false;
  void exited.then(() => {
    hasExited = true;
    tell();
  });
  const said = (message: string) =>
    new Promise<LogLine>((resolve, reject) => {
      const look = () => {
        const found = lines.map(parseLine).find((line) => line?.['msg'] === message);
        if (found === undefined && !hasExited) return;
        listeners.delete(look);
        if (found) resolve(found);
        else
          reject(
            new Error(`${args.join(' ')} ended before it said "${message}":\n${lines.join('\n')}`),
          );
      };
      listeners.add(look);
      look();
    });
  return {
    pid: child.pid ?? -1,
    output: () => lines.join('\n'),
    said,
    kill: (signal) => void child.kill(signal),
    exited,
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGTERM');
      await exited;
    },
  };
}

async function exitOf(child: ChildProcess): Promise<number | null> {
  // 'close' comes after 'exit', when the last line has been read.
  const [code] = await once(child, 'close');
  return code as number | null;
}

function parseLine(line: string): LogLine | undefined {
  try {
    return JSON.parse(line) as LogLine;
  } catch {
    return undefined;
  }
}
