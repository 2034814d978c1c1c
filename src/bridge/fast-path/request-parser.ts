/**
 * Parses a request that webhook senders usually write: a POST over HTTP/1.1 with a content length,
 * complete up to its body, without anything that changes how it is read. A property test compares
 * it with Node's parser. A request that Node would refuse, or might refuse, is not parsed.
 */

import { signatureHeader } from '../../voucherify/signature.ts';

export type FastPathRequest = {
  readonly url: string;
  readonly contentType: string | undefined;
  readonly contentLength: string;
  readonly forwardedFor: string | undefined;
  readonly signature: string | undefined;
  readonly traceparent: string | undefined;
  readonly tracestate: string | undefined;
  /** Offset of the body's first byte, and of the byte after its last. */
  readonly bodyFrom: number;
  readonly bodyTo: number;
};

/** Node's server handles longer heads. It limits headers and bytes. */
const longestHead = 4 * 1024;

const ascii = (text: string) => Buffer.from(text, 'latin1');

const post = ascii('POST ');
const version = ascii(' HTTP/1.1\r\n');
const lineEnd = ascii('\r\n');
const slash = 0x2f;
const colon = 0x3a;

/**
 * Maps each byte to its meaning in a part of the head; 0 if it is not allowed there (RFC 9112, 3
 * and 5, without obsolete forms).
 */
type Alphabet = Uint8Array;

const alphabetOf = (characters: string): Alphabet => {
  const alphabet = new Uint8Array(256);
  for (const byte of ascii(characters)) alphabet[byte] = byte;
  return alphabet;
};
const letters = 'abcdefghijklmnopqrstuvwxyz';
const printable = String.fromCharCode(...Array.from({ length: 0x7f - 0x21 }, (_, i) => 0x21 + i));

/** Bytes of a request target. */
const visible = alphabetOf(printable);
/** Bytes of a header's value. */
const text = alphabetOf(`${printable} \t`);
/** Bytes of a header's name: each letter maps to its lower case. */
const token = alphabetOf(`!#$%&'*+.^_\`|~-0123456789${letters}`);
for (const letter of ascii(letters)) token[letter - 0x20] = letter;

/** Headers that are read, each at most once. */
const read = [
  'host',
  'content-length',
  'content-type',
  'x-forwarded-for',
  signatureHeader,
  'traceparent',
  'tracestate',
];

/** Headers that change how the message, or what follows it, is read. */
const notPlain = ['expect', 'proxy-connection', 'transfer-encoding', 'upgrade'];

const connection = read.length;
const known = [...read, 'connection', ...notPlain].map(ascii);

/**
 * @param bytes received from a connection, from the start of a request; the body may be incomplete
 * @returns undefined if Node's HTTP server must handle the request
 */
export function parseRequest(bytes: Buffer): FastPathRequest | undefined {
  const urlFrom = post.length;
  const urlTo = endOf(visible, bytes, urlFrom);
  if (!stands(post, bytes, 0) || bytes[urlFrom] !== slash) return undefined;
  if (!stands(version, bytes, urlTo)) return undefined;
  const values: (string | undefined)[] = [];
  let at = urlTo + version.length;
  while (!stands(lineEnd, bytes, at)) {
    const nameTo = endOf(token, bytes, at);
    if (nameTo === at || bytes[nameTo] !== colon) return undefined;
    const valueTo = endOf(text, bytes, nameTo + 1);
    if (!stands(lineEnd, bytes, valueTo)) return undefined;
    const name = outcomeLabel(bytes, at, nameTo);
    if (name >= 0) {
      const value = bytes.toString('latin1', nameTo + 1, valueTo).trim();
      if (name < read.length) {
        if (values[name] !== undefined) return undefined;
        values[name] = value;
      } else if (name > connection || value.toLowerCase() !== 'keep-alive') return undefined;
    }
    at = valueTo + lineEnd.length;
  }
  const [host, contentLength = '', contentType, forwardedFor, signature, ...trace] = values;
  const [traceparent, tracestate] = trace;
  if (host === undefined || !/^\d{1,9}$/.test(contentLength)) return undefined;
  const bodyFrom = at + lineEnd.length;
  return {
    url: bytes.toString('latin1', urlFrom, urlTo),
    contentType,
    contentLength,
    forwardedFor,
    signature,
    traceparent,
    tracestate,
    bodyFrom,
    bodyTo: bodyFrom + Number(contentLength),
  };
}

/** Returns the offset of the first byte that the alphabet does not have. */
function endOf(alphabet: Alphabet, bytes: Buffer, from: number): number {
  const end = Math.min(bytes.length, longestHead);
  let at = from;
  while (at < end && alphabet[bytes[at] as number] !== 0) at += 1;
  return at;
}

function stands(what: Buffer, bytes: Buffer, at: number): boolean {
  for (let i = 0; i < what.length; i += 1) if (bytes[at + i] !== what[i]) return false;
  return true;
}

/** Returns which of the known names it is; -1 if none. */
function outcomeLabel(bytes: Buffer, from: number, to: number): number {
  return known.findIndex((name) => {
    if (name.length !== to - from) return false;
    for (let i = 0; i < name.length; i += 1) {
      if (token[bytes[from + i] as number] !== name[i]) return false;
    }
    return true;
  });
}
