/**
 * `voucherbus health`: reports whether the service on this host is ready. The image's HEALTHCHECK
 * and the compose file use it.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { configOf } from '../app/environment.ts';
import { messageOf } from '../errors.ts';
import type { Command } from './command.ts';
import { parseOrUsage } from './options.ts';

const usage = `voucherbus health [--live] [--wait SECONDS]
  --live  asks /livez in place of /readyz: whether the process answers at all
  --wait  repeats until it is ready, for at most this many seconds
Asks the admin port (ADMIN_PORT, ADMIN_HOST) of the bridge or processor that runs on this host. Exit code 0: yes. 1: no.`;

const options = {
  live: { type: 'boolean', default: false },
  wait: { type: 'string', default: '0' },
} as const;

/** Shorter than the usual time-out of a container engine's health check. */
const responseTimeoutMs = 4_000;
const betweenAttemptsMs = 500;

export const command: Command = {
  summary: 'reports whether the bridge or processor on this host is ready',
  usage,
  run: async (args, io) => {
    const parsed = parseOrUsage(io, usage, () => {
      const { values } = parseArgs({ args: [...args], options });
      const seconds = Number(values.wait);
      if (!(seconds >= 0)) throw new Error(`--wait is "${values.wait}": expected seconds`);
      return { path: values.live ? '/livez' : '/readyz', waitMs: seconds * 1_000 };
    });
    if (!parsed) return 2;
    const { adminHost, adminPort } = configOf(['operation'], io).operation;
    // A server listens on 0.0.0.0 or ::, but cannot be reached there.
    const host = ['0.0.0.0', '::'].includes(adminHost) ? '127.0.0.1' : adminHost;
    const url = `http://${host.includes(':') ? `[${host}]` : host}:${adminPort}${parsed.path}`;
    for (const deadline = performance.now() + parsed.waitMs; ; ) {
      const { isOk, text } = await query(url);
      if (isOk || performance.now() >= deadline) {
        (isOk ? io.out : io.err)(text);
        return isOk ? 0 : 1;
      }
      await sleep(betweenAttemptsMs);
    }
  },
};

async function query(url: string): Promise<{ readonly isOk: boolean; readonly text: string }> {
  try {
    const signal = AbortSignal.timeout(responseTimeoutMs);
    const response = await fetch(url, { signal, redirect: 'error' });
    return { isOk: response.ok, text: (await response.text()).trim() };
  } catch (error) {
    const cause = error instanceof Error && error.cause ? `: ${messageOf(error.cause)}` : '';
    return { isOk: false, text: `${url} does not respond: ${messageOf(error)}${cause}` };
  }
}
