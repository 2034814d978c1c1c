/**
 * Whether another process still lives, seen from outside: `GET /alive` on its admin port answers with its name, and then does not end. However a process
 * dies, its kernel closes what it had open at once, and refuses the next connection. Nothing else counts as a death: who can not be reached may be alive.
 */

import { get } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { alivePath } from '../admin/server.ts';
import type { ProcessIdentity } from '../kafka/member-metadata.ts';

const answerWithinMs = 2_000;
const betweenAttemptsMs = 100;

/** Then whoever can not be reached is left to its session. */
const maxAttempts = 20;

/** The kernel's own question to a host that is silent, so that one that is gone does not leave a connection for ever. */
const keepAliveMs = 10_000;

/** Resolves when the process has died (true), or can not be watched any more, by `signal` or because it can not be reached (false). Never rejects. */
export async function waitForDeath(
  identity: ProcessIdentity,
  signal: AbortSignal,
): Promise<boolean> {
  // Before we have met it, a refusal says nothing: in our network the address may be somebody else's.
  let hasMet = false;
  for (let attempts = 0; attempts < maxAttempts && !signal.aborted; attempts += 1) {
    const answer = await probe(identity, signal);
    if (answer === identity.name) {
      hasMet = true;
      attempts = 0;
    } else if (hasMet && answer !== undefined) return true;
    await sleep(betweenAttemptsMs);
  }
  return false;
}

/** Of one connection, when it ends or is of no use: the name that answered; 'refused', where nobody listens; undefined, where nothing is known. */
function probe(
  { host, port, name }: ProcessIdentity,
  signal: AbortSignal,
): Promise<string | undefined> {
  return new Promise((resolve) => {
    const timeout = answerWithinMs;
    const asked = get({ host, port, path: alivePath, agent: false, timeout, signal });
    asked.setSocketKeepAlive(true, keepAliveMs);
    asked.on('timeout', () => asked.destroy());
    asked.on('error', (error: NodeJS.ErrnoException) =>
      resolve(error.code === 'ECONNREFUSED' ? 'refused' : undefined),
    );
    asked.on('response', (response) => {
      let said = '';
      response.setEncoding('latin1');
      response.on('data', (text: string) => {
        said += text;
        if (said === `${name}\n`) asked.setTimeout(0);
        else if (said.length > name.length) asked.destroy();
      });
      response.on('error', () => undefined); // its close comes too
      response.on('close', () => {
        const isWhole = response.statusCode === 200 && said.endsWith('\n');
        resolve(isWhole ? said.trimEnd() : undefined);
      });
    });
  });
}
