/** The response to each outcome of a request, and its bytes. */

import { STATUS_CODES } from 'node:http';
import { type Problem, problemBody, problemType } from './problems.ts';
import { keepAliveMs } from './timeouts.ts';
import type { StoredWebhook } from './webhook-store.ts';

/** The outcome of a webhook. */
export type Outcome = StoredWebhook | Problem;

export type HttpResponse = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** ASCII. */
  readonly body: string;
};

/** Returns the outcome's label in metrics. */
export function outcomeLabel(outcome: Outcome): string {
  return outcome.kind === 'problem' ? outcome.slug : outcome.kind;
}

/** Only a 202 says that the webhook is stored, and where. */
export function responseTo(outcome: Outcome, rawTopic: string): HttpResponse {
  switch (outcome.kind) {
    case 'problem':
      return problemResponse(outcome);
    case 'spooled':
      return accepted({ status: 'spooled' });
    case 'stored': {
      const { partition, offset } = outcome;
      return accepted({ status: 'stored', topic: rawTopic, partition, offset });
    }
  }
}

export function problemResponse(problem: Problem): HttpResponse {
  const headers = { ...problem.headers, 'content-type': problemType };
  return withLength(problem.status, headers, problemBody(problem));
}

function accepted(facts: object): HttpResponse {
  return withLength(202, { 'content-type': 'application/json' }, JSON.stringify(facts));
}

function withLength(status: number, headers: HttpResponse['headers'], body: string): HttpResponse {
  return { status, headers: { ...headers, 'content-length': String(body.length) }, body };
}

const connectionHeaders = {
  'keep-alive': `Connection: keep-alive\r\nKeep-Alive: timeout=${keepAliveMs / 1_000}\r\n`,
  close: 'Connection: close\r\n',
};

/** Serializes a response as Node's HTTP server does, for connections that it does not handle. */
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

/** Formats the date once per second. */
function dateNow(): string {
  const now = Date.now();
  const second = Math.floor(now / 1_000);
  if (second !== dateOfSecond) {
    date = new Date(now).toUTCString();
    dateOfSecond = second;
  }
  return date;
}
