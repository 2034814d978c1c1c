/**
 * A request as a webhook's sender writes it, read at once: a POST over HTTP/1.1 with its length, and with nothing that changes how it is to be read.
 * What is read here is what Node's server reads (a property test holds both against each other); what it would refuse, or might, is not plain.
 */

import { signatureHeader } from '../voucherify/signature.ts';

export type PlainRequest = {
  readonly url: string;
  readonly contentType: string | undefined;
  readonly contentLength: string;
  readonly forwardedFor: string | undefined;
  readonly signature: string | undefined;
  /** Where in the bytes the body begins, and where it ends. */
  readonly bodyFrom: number;
  readonly bodyTo: number;
};

/** Longer heads are left to Node's server, which counts headers and bytes. */
const longestHead = 4 * 1024;

const endOfHead = Buffer.from('\r\n\r\n');

/** RFC 9112, 3 and 5, without what is obsolete there: a target from the root, names that are tokens, values of visible ASCII, spaces and tabs. */
const plainHead = /^POST (\/[!-~]*) HTTP\/1\.1\r\n(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t -~]*\r\n)+$/;

/** They change how the message is read, or what follows it. */
const notPlain = new Set([
  'connection',
  'expect',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
]);

const read = new Set([
  'host',
  'content-length',
  'content-type',
  'x-forwarded-for',
  signatureHeader,
]);

/** @param bytes of a connection, from where a request begins; the body need not be there yet. Undefined: it is not plain, or not known to be. */
export function readPlainRequest(bytes: Buffer): PlainRequest | undefined {
  const end = bytes.indexOf(endOfHead);
  if (end < 0 || end > longestHead) return undefined;
  const text = bytes.toString('latin1', 0, end + 2);
  const url = plainHead.exec(text)?.[1];
  if (url === undefined) return undefined;
  const headers = new Map<string, string>();
  let at = text.indexOf('\r\n') + 2;
  while (at < text.length) {
    const colon = text.indexOf(':', at);
    const lineEnd = text.indexOf('\r\n', colon);
    const name = text.slice(at, colon).toLowerCase();
    if (read.has(name)) {
      if (headers.has(name)) return undefined;
      headers.set(name, text.slice(colon + 1, lineEnd).trim());
    } else if (notPlain.has(name) && !keepsAlive(name, text.slice(colon + 1, lineEnd))) {
      return undefined;
    }
    at = lineEnd + 2;
  }
  const contentLength = headers.get('content-length') ?? '';
  if (!headers.has('host') || !/^\d{1,9}$/.test(contentLength)) return undefined;
  const bodyFrom = end + endOfHead.length;
  return {
    url,
    contentType: headers.get('content-type'),
    contentLength,
    forwardedFor: headers.get('x-forwarded-for'),
    signature: headers.get(signatureHeader),
    bodyFrom,
    bodyTo: bodyFrom + Number(contentLength),
  };
}

/** The one of them that many senders write, and that says what is so anyway. */
const keepsAlive = (name: string, value: string) =>
  name === 'connection' && value.trim().toLowerCase() === 'keep-alive';
