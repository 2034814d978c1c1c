/**
 * Whether another process still lives, seen from outside: `GET /alive` on its admin port answers with its name, and then does not end. However a process
 * dies, its kernel closes what it had open at once, and refuses the next connection. Nothing else counts as a death: who can not be reached may be alive.
 */

import { get } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Life } from '../kafka/membership.ts';

export const alivePath = '/alive';

/** As much of an answer as is read. */
const longestName = 100;

const answerWithinMs = 2_000;
const betweenAttemptsMs = 100;

/** Then whoever can not be reached is left to its session. */
const maxAttempts = 20;

/** The kernel's own question to a host that is silent, so that one that is gone does not leave a connection for ever. */
const keepAliveMs = 10_000;

/** Resolves when the process has died (true), or can not be watched any more, by `signal` or because it can not be reached (false). Never rejects. */
export async function deathOf(host: string, life: Life, signal: AbortSignal): Promise<boolean> {
  // Before we have met it, a refusal says nothing: behind another network's gate the address may be somebody else's.
  let hasMet = false;
  for (let attempts = 0; attempts < maxAttempts && !signal.aborted; attempts += 1) {
    const end = await attend(host, life, signal);
    if (end === 'met') {
      hasMet = true;
      attempts = 0;
    } else if (hasMet && (end === 'refused' || end === 'another')) return true;
    await sleep(betweenAttemptsMs);
  }
  return false;
}

/** One connection until its end: it was the one we look for; nobody listens there; somebody else answers there; or no answer that says anything. */
function attend(
  host: string,
  { port, name }: Life,
  signal: AbortSignal,
): Promise<'met' | 'refused' | 'another' | 'unknown'> {
  return new Promise((resolve) => {
    const asked = get({ host, port, path: alivePath, agent: false, signal });
    asked.setSocketKeepAlive(true, keepAliveMs);
    asked.setTimeout(answerWithinMs, () => asked.destroy());
    asked.on('error', (error: NodeJS.ErrnoException) =>
      resolve(error.code === 'ECONNREFUSED' ? 'refused' : 'unknown'),
    );
    asked.on('response', (response) => {
      let said = '';
      let isMet = false;
      response.setEncoding('latin1');
      response.on('data', (text: string) => {
        if (isMet) return;
        said += text;
        if (said.length > longestName || response.statusCode !== 200) asked.destroy();
        if (!said.endsWith('\n')) return;
        isMet = said === `${name}\n`;
        asked.setTimeout(0);
        if (!isMet) {
          resolve('another');
          asked.destroy();
        }
      });
      response.on('error', () => undefined); // its close comes too
      response.on('close', () => resolve(isMet ? 'met' : 'unknown'));
    });
  });
}
