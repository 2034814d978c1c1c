/** What a request is answered, from what became of it to the bytes on its connection. */

import { STATUS_CODES } from 'node:http';
import { type Problem, problemBody, problemType } from './problems.ts';
import type { Kept } from './webhook-store.ts';

/** What became of a webhook. */
export type Outcome = { readonly kept: Kept } | Problem;

export type HttpResponse = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** ASCII. */
  readonly body: string;
};

/** Of the metric. */
export function outcomeLabel(outcome: Outcome): string {
  if ('status' in outcome) return outcome.slug;
  return outcome.kept === 'spooled' ? 'spooled' : 'stored';
}

/** 202 says where it is kept: nothing else does. */
export function responseTo(outcome: Outcome, rawTopic: string): HttpResponse {
  if ('status' in outcome) return problemResponse(outcome);
  const { kept } = outcome;
  const facts =
    kept === 'spooled'
      ? { status: 'spooled' }
      : { status: 'stored', topic: rawTopic, partition: kept.partition, offset: kept.offset };
  return withLength(202, { 'content-type': 'application/json' }, JSON.stringify(facts));
}

export function problemResponse(problem: Problem): HttpResponse {
  const headers = { ...problem.headers, 'content-type': problemType };
  return withLength(problem.status, headers, problemBody(problem));
}

function withLength(status: number, headers: HttpResponse['headers'], body: string): HttpResponse {
  return { status, headers: { ...headers, 'content-length': String(body.length) }, body };
}

/** Above the idle time-out of the usual load balancers (60 s), so that they and not we end a connection. */
export const keepAliveMs = 75_000;

/** The body was not wanted: so long its rest is read and forgotten, for a connection that is closed under a sender may take the answer with it. */
export const drainMs = 500;

const connectionHeaders = {
  'goes on': `Connection: keep-alive\r\nKeep-Alive: timeout=${keepAliveMs / 1_000}\r\n`,
  closes: 'Connection: close\r\n',
};

/** As Node's own server writes it, for where there is none. */
export function serializeResponse(
  { status, headers, body }: HttpResponse,
  connection: keyof typeof connectionHeaders,
): string {
  let head = `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n`;
  for (const name in headers) head += `${name}: ${headers[name]}\r\n`;
  return `${head}Date: ${dateNow()}\r\n${connectionHeaders[connection]}\r\n${body}`;
}

let date = '';
let dateOfSecond = Number.NaN;

/** Written once a second. */
function dateNow(): string {
  const now = Date.now();
  const second = Math.floor(now / 1_000);
  if (second !== dateOfSecond) {
    date = new Date(now).toUTCString();
    dateOfSecond = second;
  }
  return date;
}
