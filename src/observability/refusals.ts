/** The requests that a bridge refused lately: how many in each minute, and the last ones. */

/** A refused request without its body. */
export type RefusedRequest = {
  /** Milliseconds since 1970. */
  readonly atMs: number;
  /** The source in its path; `none` if that is no known one. */
  readonly source: string;
  /** The slug of the problem in the response. */
  readonly reason: string;
  readonly status: number;
  /** The address that sent it; undefined behind proxies that did not say it. */
  readonly sender: string | undefined;
  readonly method: string | undefined;
  /** Without the query, which may contain secrets. */
  readonly path: string | undefined;
  readonly contentType: string | undefined;
  readonly contentLength: string | undefined;
  readonly userAgent: string | undefined;
  readonly hasSignature: boolean;
};

export type RefusedMinute = Pick<RefusedRequest, 'source' | 'reason' | 'status'> & {
  /** The start of the minute. */
  readonly atMs: number;
  readonly count: number;
};

export type RefusalReport = {
  /** The last hour; the newest minute first. */
  readonly minutes: readonly RefusedMinute[];
  /** The newest first. */
  readonly requests: readonly RefusedRequest[];
};

export const noRefusals = (): RefusalReport => ({ minutes: [], requests: [] });

const minuteMs = 60_000;
const keptMinutes = 60;
const keptRequests = 50;
/** Texts that the sender chose are cut. */
const maxLength = 200;

export class Refusals {
  /** By minute, source and reason; the oldest first. */
  readonly #minutes = new Map<string, RefusedMinute>();
  readonly #requests: RefusedRequest[] = [];

  add(request: RefusedRequest): void {
    const { source, reason, status } = request;
    const atMs = request.atMs - (request.atMs % minuteMs);
    const key = `${atMs} ${source} ${reason}`;
    const count = (this.#minutes.get(key)?.count ?? 0) + 1;
    this.#minutes.set(key, { atMs, source, reason, status, count });
    for (const [old, minute] of this.#minutes) {
      if (minute.atMs > atMs - keptMinutes * minuteMs) break;
      this.#minutes.delete(old);
    }
    this.#requests.push(shortened(request));
    if (this.#requests.length > keptRequests) this.#requests.shift();
  }

  report(nowMs: number): RefusalReport {
    const minutes = [...this.#minutes.values()];
    return {
      minutes: minutes.filter(({ atMs }) => atMs > nowMs - keptMinutes * minuteMs).reverse(),
      requests: this.#requests.toReversed(),
    };
  }
}

/** Returns several bridges' reports, or several workers', as one. */
export function refusalsTogether(reports: readonly RefusalReport[]): RefusalReport {
  const minutes = new Map<string, RefusedMinute>();
  for (const one of reports.flatMap((report) => report.minutes)) {
    const key = `${one.atMs} ${one.source} ${one.reason}`;
    minutes.set(key, { ...one, count: one.count + (minutes.get(key)?.count ?? 0) });
  }
  const newestFirst = (a: { atMs: number }, b: { atMs: number }) => b.atMs - a.atMs;
  return {
    minutes: [...minutes.values()].sort(newestFirst),
    requests: reports
      .flatMap(({ requests }) => requests)
      .sort(newestFirst)
      .slice(0, keptRequests),
  };
}

function shortened(request: RefusedRequest): RefusedRequest {
  const cut = (text: string | undefined) => text?.slice(0, maxLength);
  return {
    ...request,
    sender: cut(request.sender),
    method: cut(request.method),
    path: cut(request.path?.split('?', 1)[0]),
    contentType: cut(request.contentType),
    contentLength: cut(request.contentLength),
    userAgent: cut(request.userAgent),
  };
}
