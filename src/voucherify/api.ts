/**
 * What Voucherify's REST API knows of a campaign or a customer (docs.voucherify.io: GET campaign, GET customer, limits). Rate limits are honoured: from
 * the headers X-Rate-Limit-Remaining and -Retry (epoch seconds), and Retry-After; over them the vendor answers 429 and blocks at once.
 */

import { messageOf } from '../errors.ts';
import { textOf } from '../http.ts';
import { isObject, type JsonObject } from './json-part.ts';

export type ApiOptions = {
  /** Such as https://api.voucherify.io; each region and each dedicated cluster has its own. */
  readonly url: string;
  readonly appId: string;
  readonly appToken: string;
  /** For one request. */
  readonly timeoutMs: number;
};

export type LookupResult =
  | { readonly kind: 'found'; readonly value: JsonObject }
  /** The vendor does not know it. */
  | { readonly kind: 'absent' }
  /** Not before this time again, in milliseconds since 1970. */
  | { readonly kind: 'limited'; readonly untilMs: number }
  /** Timed out, refused, no JSON, 5xx … */
  | { readonly kind: 'failed'; readonly message: string };

export type Api = {
  readonly get: (what: 'campaigns' | 'customers', id: string) => Promise<LookupResult>;
  /** Before this time the vendor would refuse every request. */
  readonly blockedUntilMs: () => number;
};

/** A campaign or a customer with all its metadata has some kilobytes. */
const maxAnswerBytes = 4 * 1024 * 1024;

/** Where the vendor says that it is too much but not for how long. */
const usualPauseMs = 1_000;

export function createApi({ url, appId, appToken, timeoutMs }: ApiOptions): Api {
  let blockedUntilMs = 0;
  const headers = { accept: 'application/json', 'x-app-id': appId, 'x-app-token': appToken };
  const get = async (what: string, id: string): Promise<LookupResult> => {
    try {
      const signal = AbortSignal.timeout(timeoutMs);
      const response = await fetch(`${url}/v1/${what}/${encodeURIComponent(id)}`, {
        headers,
        signal,
        // Another host must not be given the token.
        redirect: 'error',
      });
      const until = blockOf(response, Date.now());
      if (until !== undefined) blockedUntilMs = Math.max(blockedUntilMs, until);
      if (response.status === 429) {
        await response.body?.cancel();
        return { kind: 'limited', untilMs: blockedUntilMs };
      }
      if (response.status === 404) {
        await response.body?.cancel();
        return { kind: 'absent' };
      }
      if (!response.ok) {
        await response.body?.cancel();
        return { kind: 'failed', message: `${what}: the vendor answered ${response.status}` };
      }
      const value: unknown = JSON.parse(await textOf(response, maxAnswerBytes));
      return isObject(value)
        ? { kind: 'found', value }
        : { kind: 'failed', message: `${what}: expected a JSON object` };
    } catch (error) {
      // A parser's message may quote what it read; the others name an address or a time.
      const text = error instanceof SyntaxError ? 'the answer is not JSON' : messageOf(error);
      return { kind: 'failed', message: `${what}: ${text}` };
    }
  };
  return { get, blockedUntilMs: () => blockedUntilMs };
}

function blockOf({ status, headers }: Response, nowMs: number): number | undefined {
  const isOver = status === 429 || headers.get('x-rate-limit-remaining') === '0';
  if (!isOver) return undefined;
  const retryAfterSeconds = Number(headers.get('retry-after') ?? Number.NaN);
  if (retryAfterSeconds >= 0) return nowMs + retryAfterSeconds * 1_000;
  const epochSeconds = Number(headers.get('x-rate-limit-retry') ?? Number.NaN);
  return epochSeconds > 0 ? epochSeconds * 1_000 : nowMs + usualPauseMs;
}
