/** Reports the progress of long work. Quick work reports nothing. */

import type { Io } from '../app/io.ts';
import { Throttle } from '../concurrency/throttle.ts';

const everyMs = 1_000;

export function progressOn(io: Io): (text: string) => void {
  const throttle = new Throttle(everyMs, { isFirstDue: false });
  return (text) => {
    if (throttle.isDue()) io.err(`· ${text}`);
  };
}
