/** Says how far long work is, and nothing of what is quick. */

import type { Io } from '../app/io.ts';

const everyMs = 1_000;

export function progressOn(io: Io): (text: string) => void {
  let saidAt = Date.now();
  return (text) => {
    if (Date.now() - saidAt < everyMs) return;
    saidAt = Date.now();
    io.err(`· ${text}`);
  };
}
