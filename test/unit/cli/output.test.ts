/** The end of a command whose output has a slow reader, or none any more. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';

test('a command whose reader is gone ends without an error', async () => {
  const child = spawn(process.execPath, ['src/main.ts', 'config'], { stdio: 'pipe' });
  child.stdout.destroy();
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => {
    errors += String(chunk);
  });
  const [code] = await once(child, 'close');
  expect([code, errors]).toEqual([0, '']);
});
