/** /livez, /readyz, /metrics and /alive on a port of their own, away from the public one. */

import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import type { Status } from '../observability/health.ts';
import { metricsContentType } from '../observability/metrics.ts';
import { alivePath } from './alive.ts';
import { listen } from './listen.ts';

export type AdminServer = {
  readonly port: number;
  /** What it answers on /alive. */
  readonly name: string;
  readonly close: () => Promise<void>;
};

/** What is shown: one process, or several workers as one. */
export type Shown = {
  readonly status: () => Status | Promise<Status>;
  /** In Prometheus' text format. */
  readonly metrics: () => Promise<string>;
};

/** @throws AppError PORT_UNAVAILABLE */
export async function startAdminServer(
  { adminHost, adminPort }: { readonly adminHost: string; readonly adminPort: number },
  shown: Shown,
): Promise<AdminServer> {
  const name = randomUUID();
  const server = createServer(async (request, response) => {
    if (request.url === alivePath) {
      // Without an end: that is its meaning (`alive.ts`).
      response.writeHead(200, { 'content-type': 'text/plain' });
      response.write(`${name}\n`);
      return;
    }
    const { status, type, body } = await respond(request.url ?? '/', shown);
    response.writeHead(status, { 'content-type': type });
    response.end(body);
  });
  const port = await listen(server, adminPort, adminHost, 'ADMIN_PORT');
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

async function respond(url: string, { status, metrics }: Shown) {
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
    default:
      return json(404, { paths: ['/livez', '/readyz', '/metrics', alivePath] });
  }
}
