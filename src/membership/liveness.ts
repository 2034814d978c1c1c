/**
 * Watches whether another process is alive, through an open connection: `GET /alive` on its admin
 * port responds with its name and then does not end. However a process dies, its kernel closes its
 * connections at once and refuses the next one. Nothing else counts as a death: an unreachable
 * process may be alive (docs/adr/0008).
 */

import { get } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { alivePath } from '../admin/server.ts';
import type { ProcessIdentity } from '../kafka/member-metadata.ts';

const responseTimeoutMs = 2_000;
const retryAfterMs = 100;

/** After so many failures in a row a process is no longer watched: its session is the fallback. */
const maxAttempts = 20;

/**
 * The kernel probes a silent host this often, so that a host that is gone does not keep a
 * connection open forever.
 */
const keepAliveMs = 10_000;

/**
 * Resolves with true when the process has died; with false when it cannot be watched any more,
 * because of `signal` or because it is unreachable. Never rejects.
 */
export async function waitForDeath(
  identity: ProcessIdentity,
  signal: AbortSignal,
  attempts = maxAttempts,
): Promise<boolean> {
  // Before the first contact a refusal says nothing: in our network the address may belong to
  // another process.
  let hasContact = false;
  for (let failures = 0; failures < attempts && !signal.aborted; failures += 1) {
    const found = await probe(identity, signal);
    if (found === identity.name) {
      hasContact = true;
      failures = 0;
    } else if (hasContact && found !== undefined) return true;
    await sleep(retryAfterMs);
  }
  return false;
}

/**
 * Opens one connection, and resolves when it ends: with the name that responded, with 'refused' if
 * nothing listens there, with undefined if nothing is known.
 */
function probe(
  { host, port, name }: ProcessIdentity,
  signal: AbortSignal,
): Promise<string | undefined> {
  return new Promise((resolve) => {
    const timeout = responseTimeoutMs;
    const request = get({ host, port, path: alivePath, agent: false, timeout, signal });
    request.setSocketKeepAlive(true, keepAliveMs);
    request.on('timeout', () => request.destroy());
    request.on('error', (error: NodeJS.ErrnoException) =>
      resolve(error.code === 'ECONNREFUSED' ? 'refused' : undefined),
    );
    request.on('response', (response) => {
      let received = '';
      response.setEncoding('latin1');
      response.on('data', (text: string) => {
        received += text;
        if (received === `${name}\n`) request.setTimeout(0);
        else if (received.length > name.length) request.destroy();
      });
      response.on('error', () => undefined); // 'close' follows
      response.on('close', () => {
        const isWhole = response.statusCode === 200 && received.endsWith('\n');
        resolve(isWhole ? received.trimEnd() : undefined);
      });
    });
  });
}
