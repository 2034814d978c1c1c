/**
 * The calls to Voucherify's API that reconciliation needs, one at a time: waits while the rate
 * limit is reached, repeats what failed, and counts.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { exponentialBackoff } from '../concurrency/retry.ts';
import { AppError } from '../errors.ts';
import type { VoucherifyApi } from '../voucherify/api.ts';
import { isObject, type JsonObject } from '../voucherify/json-part.ts';

export type Window = {
  /** Milliseconds since 1970, inclusive. */
  readonly sinceMs: number;
  /** Milliseconds since 1970, exclusive. */
  readonly untilMs: number;
};

export type PublicationFilter = { readonly voucher?: string; readonly customer?: string };

/** The vendor's largest page, and the last page that it returns. */
export const pageSize = 100;
export const lastPage = 100;

/** 0.5, 1, 2 … 30 s: about two minutes in all. */
const backoff = exponentialBackoff(500, 30_000);
const maxFailures = 8;

/** An export of a million rows takes minutes. */
const pollEveryMs = 1_000;
const exportTimeoutMs = 60 * 60_000;
const downloadTimeoutMs = 60 * 60_000;

/** The columns of the export. There is none for the publication id. */
const exportFields = [
  'voucher_code',
  'customer_id',
  'customer_source_id',
  'date',
  'channel',
  'campaign',
];

export class Vendor {
  readonly #api: VoucherifyApi;
  readonly #onProgress: (text: string) => void;
  readonly #onApiCall: () => void;
  #calls = 0;

  constructor(
    api: VoucherifyApi,
    observer: { readonly onProgress: (text: string) => void; readonly onApiCall: () => void },
  ) {
    this.#api = api;
    this.#onProgress = observer.onProgress;
    this.#onApiCall = observer.onApiCall;
  }

  /** Calls that count towards the vendor's limits. */
  get calls(): number {
    return this.#calls;
  }

  get callsLeft(): number | undefined {
    return this.#api.callsLeft;
  }

  /** Starts an export of the publications of a window, and returns its id. @throws AppError */
  async createExport({ sinceMs, untilMs }: Window): Promise<string> {
    // Whether the bounds are inclusive is not documented, so rows outside the window are dropped.
    const after = new Date(sinceMs - 1_000).toISOString();
    const before = new Date(untilMs + 1_000).toISOString();
    const created = await this.#call('create an export of publications', '/v1/exports', {
      exported_object: 'publication',
      parameters: {
        fields: exportFields,
        filters: {
          junction: 'and',
          created_at: { conditions: { $after: [after], $before: [before] } },
          result: { conditions: { $is: ['SUCCESS'] } },
        },
      },
    });
    const id = created?.['id'];
    if (typeof id === 'string') return id;
    throw unexpected('the created export', 'an id');
  }

  /**
   * Waits for an export, and returns the URL of its CSV, which contains a token; undefined if the
   * vendor does not know the export any more.
   * @throws AppError
   */
  async exportUrl(id: string): Promise<string | undefined> {
    const deadline = performance.now() + exportTimeoutMs;
    for (; performance.now() < deadline; await sleep(pollEveryMs)) {
      const found = await this.#call('get the export', `/v1/exports/${encodeURIComponent(id)}`);
      if (found === undefined) return undefined;
      const { status, result } = found;
      const url = isObject(result) ? result['url'] : undefined;
      if (status === 'DONE' && typeof url === 'string') return url;
      if (status === 'ERROR' || status === 'FAILED') return undefined;
      this.#onProgress(`waiting for Voucherify's export ${id} (${String(status)})`);
    }
    throw new AppError('LOOKUP_UNAVAILABLE', 'retry', `the export ${id} is not done after an hour`);
  }

  /** Downloads the CSV: from another host, without credentials, and not counted as a call. */
  async *download(url: string): AsyncGenerator<Uint8Array> {
    const response = await fetch(url, { signal: AbortSignal.timeout(downloadTimeoutMs) });
    if (!response.ok || response.body === null) {
      await response.body?.cancel();
      throw new Error(`the download of the export got ${response.status}`);
    }
    yield* response.body;
  }

  /** Returns one page of publications, the newest first. @throws AppError */
  async publications(filter: PublicationFilter, page: number): Promise<readonly JsonObject[]> {
    const query = new URLSearchParams({
      ...filter,
      order: '-created_at',
      limit: String(pageSize),
      page: String(page),
    });
    const found = await this.#call('list publications', `/v1/publications?${query}`);
    const publications = found?.['publications'];
    if (!Array.isArray(publications)) throw unexpected('the list', '`publications`');
    return publications.filter(isObject);
  }

  /** Returns undefined if the vendor does not know it. @throws AppError */
  get(what: 'campaigns' | 'customers' | 'vouchers', id: string): Promise<JsonObject | undefined> {
    return this.#call(`get ${what}`, `/v1/${what}/${encodeURIComponent(id)}`);
  }

  /** Returns undefined for 404. @throws AppError LOOKUP_UNAVAILABLE */
  async #call(what: string, path: string, body?: JsonObject): Promise<JsonObject | undefined> {
    for (let failures = 0; ; ) {
      await this.#untilAllowed();
      this.#calls += 1;
      this.#onApiCall();
      const result = await this.#api.call(what, path, body);
      switch (result.kind) {
        case 'found':
          return result.value;
        case 'absent':
          return undefined;
        case 'limited':
          continue;
        case 'failed': {
          failures += 1;
          const { status = 500, message } = result;
          if (status === 401 || status === 403)
            throw new AppError(
              'LOOKUP_UNAVAILABLE',
              'stop',
              `${message}: expected an API key (VOUCHERIFY_APP_ID, VOUCHERIFY_APP_TOKEN) that may read publications, vouchers, campaigns and customers, and create exports`,
            );
          if (failures >= maxFailures || isRefusal(status)) {
            throw new AppError('LOOKUP_UNAVAILABLE', 'retry', message);
          }
          this.#onProgress(`${message}; next attempt in ${backoff(failures) / 1_000} s`);
          await sleep(backoff(failures));
        }
      }
    }
  }

  async #untilAllowed(): Promise<void> {
    for (;;) {
      const waitMs = this.#api.blockedUntilMs - Date.now();
      if (waitMs <= 0) return;
      this.#onProgress(`the rate limit is reached: going on in ${Math.ceil(waitMs / 1_000)} s`);
      await sleep(Math.min(waitMs, 1_000));
    }
  }
}

/** Returns whether the vendor would refuse the same call again. */
function isRefusal(status: number): boolean {
  return status >= 400 && status < 500 && status !== 408;
}

function unexpected(where: string, what: string): AppError {
  const text = `Voucherify's API: expected ${what} in ${where}`;
  return new AppError('LOOKUP_UNAVAILABLE', 'stop', text);
}
