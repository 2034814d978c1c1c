/**
 * Calls Voucherify's REST API (docs.voucherify.io). Honours the rate limits: the headers
 * X-Rate-Limit-Remaining and -Retry (epoch seconds), and Retry-After. Over the limit the vendor
 * responds 429 and blocks at once.
 */

import { messageOf } from '../errors.ts';
import { textOf } from '../http.ts';
import { isObject, type JsonObject } from './json-part.ts';

export type ApiOptions = {
  /**
   * Base URL, for example https://api.voucherify.io; each region and each dedicated cluster has its
   * own.
   */
  readonly url: string;
  /** An application's keys, or those of the management API; default application. */
  readonly keys?: 'application' | 'management';
  readonly appId: string;
  readonly appToken: string;
  /** Time-out of one request. */
  readonly timeoutMs: number;
};

export type LookupResult =
  | { readonly kind: 'found'; readonly value: JsonObject }
  /** The vendor does not know the id. */
  | { readonly kind: 'absent' }
  /** The rate limit is reached until this time, in milliseconds since 1970. */
  | { readonly kind: 'limited'; readonly untilMs: number }
  /** Timed out, refused, not JSON, 5xx …; `status` is undefined if no response came. */
  | { readonly kind: 'failed'; readonly message: string; readonly status: number | undefined };

/** An object with all its metadata has some kilobytes, and a page has a hundred of them. */
const maxResponseBytes = 4 * 1024 * 1024;

/** Used if the vendor says that the limit is reached, but not for how long. */
const defaultPauseMs = 1_000;

export class VoucherifyApi {
  readonly #options: ApiOptions;
  #blockedUntilMs = 0;
  #callsLeft: number | undefined;

  constructor(options: ApiOptions) {
    this.#options = options;
  }

  /** Before this time (milliseconds since 1970) the vendor would refuse every request. */
  get blockedUntilMs(): number {
    return this.#blockedUntilMs;
  }

  /** Calls that the vendor still allows in this period, as it last said. */
  get callsLeft(): number | undefined {
    return this.#callsLeft;
  }

  /** Never throws. */
  get(what: 'campaigns' | 'customers', id: string): Promise<LookupResult> {
    return this.call(what, `/v1/${what}/${encodeURIComponent(id)}`);
  }

  /**
   * Sends GET, or a body with POST. Never throws.
   * @param what names the call in messages
   * @param path with its query, for example /v1/publications?limit=100
   */
  async call(
    what: string,
    path: string,
    body?: JsonObject,
    bodyMethod: 'POST' | 'PUT' = 'POST',
  ): Promise<LookupResult> {
    const { url, keys, appId, appToken, timeoutMs } = this.#options;
    const prefix = keys === 'management' ? 'x-management' : 'x-app';
    try {
      const response = await fetch(`${url}${path}`, {
        headers: {
          accept: 'application/json',
          ...(body && { 'content-type': 'application/json' }),
          [`${prefix}-id`]: appId,
          [`${prefix}-token`]: appToken,
        },
        ...(body && { method: bodyMethod, body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(timeoutMs),
        // A redirect must not send the token to another host.
        redirect: 'error',
      });
      this.#noteLimits(response);
      return await this.#read(what, response);
    } catch (error) {
      // A parser's message may quote what it read; the others name an address or a time.
      const text = error instanceof SyntaxError ? 'the response is not JSON' : messageOf(error);
      return { kind: 'failed', message: `${what}: ${text}`, status: undefined };
    }
  }

  #noteLimits(response: Response): void {
    const left = Number(response.headers.get('x-rate-limit-remaining') ?? Number.NaN);
    if (left >= 0) this.#callsLeft = left;
    const untilMs = blockedUntil(response, Date.now());
    if (untilMs !== undefined) this.#blockedUntilMs = Math.max(this.#blockedUntilMs, untilMs);
  }

  async #read(what: string, response: Response): Promise<LookupResult> {
    if (response.ok) {
      const value: unknown = JSON.parse(await textOf(response, maxResponseBytes));
      return isObject(value)
        ? { kind: 'found', value }
        : { kind: 'failed', message: `${what}: expected a JSON object`, status: response.status };
    }
    await response.body?.cancel();
    switch (response.status) {
      case 429:
        return { kind: 'limited', untilMs: this.#blockedUntilMs };
      case 404:
        return { kind: 'absent' };
      default:
        return {
          kind: 'failed',
          message: `${what}: the vendor responded ${response.status}`,
          status: response.status,
        };
    }
  }
}

function blockedUntil({ status, headers }: Response, nowMs: number): number | undefined {
  const isOver = status === 429 || headers.get('x-rate-limit-remaining') === '0';
  if (!isOver) return undefined;
  const retryAfterSeconds = Number(headers.get('retry-after') ?? Number.NaN);
  if (retryAfterSeconds >= 0) return nowMs + retryAfterSeconds * 1_000;
  const epochSeconds = Number(headers.get('x-rate-limit-retry') ?? Number.NaN);
  if (!(epochSeconds > 0)) return nowMs + defaultPauseMs;
  // By the vendor's clock, which need not be ours.
  const vendorsNowMs = Date.parse(headers.get('date') ?? '');
  const aheadMs = Number.isNaN(vendorsNowMs) ? 0 : vendorsNowMs - nowMs;
  return epochSeconds * 1_000 - aheadMs;
}
