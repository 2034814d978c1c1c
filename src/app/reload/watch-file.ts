/** Watches a file that is read again when it changes, without a restart. */

import { unwatchFile, watchFile } from 'node:fs';

/**
 * Polls, because a mounted secret or ConfigMap is replaced through links, which other ways of
 * watching do not notice.
 */
const pollEveryMs = 2_000;

/** @returns a function that stops watching */
export function onFileChange(path: string, onChange: () => void): () => void {
  watchFile(path, { interval: pollEveryMs, persistent: false }, onChange);
  return () => unwatchFile(path, onChange);
}
