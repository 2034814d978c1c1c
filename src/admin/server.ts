/** Serves /livez, /readyz, /metrics, /refusals and /alive, on a port apart from the public one. */

import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { messageOf } from '../errors.ts';
import type { Status } from '../observability/health.ts';
import type { Log } from '../observability/log.ts';
import { metricsContentType } from '../observability/metrics.ts';
import type { RefusalReport } from '../observability/refusals.ts';
import { listen } from './listen.ts';

export const alivePath = '/alive';

export type AdminServer = {
  readonly port: number;
  /** The name in the response to /alive. */
  readonly name: string;
  readonly close: () => Promise<void>;
};

/** The source of status and metrics: one process, or several workers as one. */
export type Shown = {
  readonly status: () => Status | Promise<Status>;
  /** Returns Prometheus' text format. */
  readonly metrics: () => Promise<string>;
  readonly refusals: () => Promise<RefusalReport>;
};

/** @throws AppError PORT_UNAVAILABLE */
export async function startAdminServer(
  { adminHost, adminPort }: { readonly adminHost: string; readonly adminPort: number },
  shown: Shown,
  log: Log,
): Promise<AdminServer> {
  const name = randomUUID();
  let watchers = 0;
  const cached = cacheFor(cacheMs, shown);
  const server = createServer(async (request, response) => {
    if (request.url === alivePath && watchers < maxWatchers) {
      watchers += 1;
      response.once('close', () => {
        watchers -= 1;
      });
      // The response never ends, on purpose (`membership/liveness.ts`).
      response.writeHead(200, { 'content-type': 'text/plain' });
      response.write(`${name}\n`);
      return;
    }
    // An error here becomes a response: a scrape must never end the process.
    const { status, type, body } = await respond(request.url ?? '/', cached).catch(asError);
    response.writeHead(status, { 'content-type': type });
    response.end(body);
  });
  // Without a limit, a client of this port could use up the file descriptors that webhooks need.
  server.maxConnections = maxConnections;
  const port = await listen(server, adminPort, adminHost, 'ADMIN_PORT', log);
  return {
    port,
    name,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/**
 * The members of a group hold one connection each. A group has at most as many members as raw has
 * partitions, and twice as many while one member replaces another.
 */
const maxWatchers = 512;
const maxConnections = maxWatchers + 128;

/** Metrics and readiness ask every worker. */
const cacheMs = 1_000;

/**
 * Serves all requests within a second from one result; concurrent requests share the pending one.
 */
function cacheFor(ms: number, { status, metrics, refusals }: Shown): Shown {
  return {
    status: once(ms, async () => status()),
    metrics: once(ms, metrics),
    refusals: once(ms, refusals),
  };
}

function once<T>(ms: number, read: () => T | Promise<T>): () => Promise<T> {
  let answer: Promise<T> | undefined;
  let until = 0;
  return () => {
    if (answer === undefined || performance.now() >= until) {
      const next = Promise.resolve(read());
      answer = next;
      until = performance.now() + ms;
      // A failure is not kept.
      next.catch(() => {
        if (answer === next) answer = undefined;
      });
    }
    return answer;
  };
}

function asError(error: unknown) {
  const body = `${JSON.stringify({ status: 'error', message: messageOf(error) })}\n`;
  return { status: 500, type: 'application/json', body };
}

async function respond(url: string, { status, metrics, refusals }: Shown) {
  const json = (code: number, value: unknown) => ({
    status: code,
    type: 'application/json',
    body: `${JSON.stringify(value)}\n`,
  });
  switch (url.split('?', 1)[0]) {
    case '/livez':
      return json(200, { status: 'alive' });
    case '/readyz': {
      const { isReady, parts } = await status();
      return json(isReady ? 200 : 503, { status: isReady ? 'ready' : 'not ready', parts });
    }
    case '/metrics':
      return { status: 200, type: metricsContentType, body: await metrics() };
    case '/refusals':
      return json(200, await refusals());
    default:
      return json(404, { paths: ['/livez', '/readyz', '/metrics', '/refusals', alivePath] });
  }
}
