/** A command from its start to its end. */

import { type Environment, startChild } from '../../src/app/child-process.ts';

/** `messages` is what people read: the output without the log lines. */
export async function run(args: readonly string[], env: Environment) {
  const child = startChild(args, env);
  const code = await child.exited;
  const output = child.output();
  const messages = output
    .split('\n')
    .filter((line) => !line.startsWith('{"level"'))
    .join('\n');
  return { code, output, messages };
}
