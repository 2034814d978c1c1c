/**
 * `make soak MINUTES=60`: the whole failure suite, unbounded, again and again with new seeds until
 * the time is over or something fails.
 */

import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';

const minutes = Number(process.env['MINUTES'] ?? '60');
const args = ['run', '--config', 'test/vitest.config.ts', '--project', 'failure'];
const say = (line: string) => process.stderr.write(`· ${line}\n`);

const endsAt = Date.now() + minutes * 60_000;
let rounds = 0;
while (Date.now() < endsAt) {
  rounds += 1;
  const seed = String(randomInt(2 ** 31));
  const left = Math.ceil((endsAt - Date.now()) / 60_000);
  say(`soak: round ${rounds}, SEED=${seed}, ${left} of ${minutes} minutes left`);
  const env = { ...process.env, SOAK: '1', SEED: seed };
  const child = spawn('node_modules/.bin/vitest', args, { env, stdio: 'inherit' });
  const [code] = await once(child, 'close');
  if (code !== 0) {
    say(`round ${rounds} failed. The same again: SOAK=1 SEED=${seed} make failure`);
    process.exit(1);
  }
}
say(`soak: ${rounds} rounds in ${minutes} minutes, every publication once`);
