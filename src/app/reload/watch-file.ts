/** A file that is read again when it changes, without a restart. */

import { unwatchFile, watchFile } from 'node:fs';

/** By polling: a mounted secret or ConfigMap is replaced through links, which other ways of watching do not see. */
const lookEveryMs = 2_000;

/** @returns what ends it */
export function followFile(path: string, onChange: () => void): () => void {
  watchFile(path, { interval: lookEveryMs, persistent: false }, onChange);
  return () => unwatchFile(path, onChange);
}
