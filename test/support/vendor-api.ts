/**
 * An HTTP server that behaves like Voucherify's REST API: it knows every campaign and customer but
 * those named absent, and can be slow, busy or broken.
 */

import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

type Behaviour = {
  /** Delay of every response. */
  delayMs: number;
  /** Answered so, whatever is asked. */
  status: number;
  /** Requests until 429, and the seconds until there are as many again. */
  limit: { left: number; readonly perWindow: number; readonly windowSeconds: number } | undefined;
  /** Sent in place of JSON. */
  broken: string | undefined;
};

export type VendorApi = AsyncDisposable & {
  readonly url: string;
  readonly behaviour: Behaviour;
  /** The requested paths, in order, as campaigns/ID. */
  readonly asked: string[];
  /** The most requests that were in flight at once. */
  readonly mostAtOnce: () => number;
};

export const credentials = { appId: 'app-1', appToken: 'token-1' };

export async function startVendorApi(): Promise<VendorApi> {
  const behaviour: Behaviour = { delayMs: 0, status: 200, limit: undefined, broken: undefined };
  const asked: string[] = [];
  let underWay = 0;
  let mostAtOnce = 0;
  let windowEndsAt = 0;
  const limited = (response: ServerResponse): boolean => {
    const { limit } = behaviour;
    if (!limit) return false;
    if (Date.now() >= windowEndsAt) {
      windowEndsAt = Date.now() + limit.windowSeconds * 1_000;
      limit.left = limit.perWindow;
    }
    const isOver = limit.left <= 0;
    limit.left = Math.max(0, limit.left - 1);
    response.setHeader('x-rate-limit-limit', limit.perWindow);
    response.setHeader('x-rate-limit-remaining', limit.left);
    response.setHeader('x-rate-limit-retry', Math.ceil(windowEndsAt / 1_000));
    return isOver;
  };
  const server = createServer(async (request, response) => {
    underWay += 1;
    mostAtOnce = Math.max(mostAtOnce, underWay);
    const [, , what = '', id = ''] = (request.url ?? '').split('/');
    asked.push(`${what}/${id}`);
    await sleep(behaviour.delayMs);
    underWay -= 1;
    const isOurs =
      request.headers['x-app-id'] === credentials.appId &&
      request.headers['x-app-token'] === credentials.appToken;
    const status = !isOurs
      ? 401
      : limited(response)
        ? 429
        : id.includes('absent')
          ? 404
          : behaviour.status;
    response.writeHead(status, { 'content-type': 'application/json' });
    if (behaviour.broken !== undefined) response.end(behaviour.broken);
    else if (status !== 200) response.end(JSON.stringify({ code: status, message: 'no' }));
    else {
      response.end(
        JSON.stringify(
          what === 'campaigns'
            ? { id, name: `Campaign ${id}`, campaign_type: 'GIFT_VOUCHERS', type: 'STATIC' }
            : { id, source_id: `source-of-${id}`, object: 'customer' },
        ),
      );
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    behaviour,
    asked,
    mostAtOnce: () => mostAtOnce,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
