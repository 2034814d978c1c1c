/**
 * A request as a webhook's sender writes it, read at once: a POST over HTTP/1.1 with its length,
 * and with nothing that changes how it is to be read. What is read here is what Node's server reads
 * (a property test holds both against each other); what it would refuse, or might, is not plain.
 */

import { signatureHeader } from '../../voucherify/signature.ts';

export type FastPathRequest = {
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

const ascii = (text: string) => Buffer.from(text, 'latin1');

const post = ascii('POST ');
const version = ascii(' HTTP/1.1\r\n');
const lineEnd = ascii('\r\n');
const slash = 0x2f;
const colon = 0x3a;

/**
 * For each byte what it is in such a part of the head, or 0 where it has no place there (RFC 9112,
 * 3 and 5, without what is obsolete there).
 */
type Alphabet = Uint8Array;

const alphabetOf = (characters: string): Alphabet => {
  const alphabet = new Uint8Array(256);
  for (const byte of ascii(characters)) alphabet[byte] = byte;
  return alphabet;
};
const letters = 'abcdefghijklmnopqrstuvwxyz';
const printable = String.fromCharCode(...Array.from({ length: 0x7f - 0x21 }, (_, i) => 0x21 + i));

/** Of a target. */
const visible = alphabetOf(printable);
/** Of a header's value. */
const text = alphabetOf(`${printable} \t`);
/** Of a header's name: each letter is its lower case. */
const token = alphabetOf(`!#$%&'*+.^_\`|~-0123456789${letters}`);
for (const letter of ascii(letters)) token[letter - 0x20] = letter;

/** What is read, each at most once. */
const read = ['host', 'content-length', 'content-type', 'x-forwarded-for', signatureHeader];

/** What changes how the message is read, or what follows it. */
const notPlain = ['expect', 'proxy-connection', 'transfer-encoding', 'upgrade'];

const connection = read.length;
const known = [...read, 'connection', ...notPlain].map(ascii);

/**
 * @param bytes of a connection, from where a request begins; the body need not be there yet.
 * Undefined: it is not plain, or not known to be.
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
  const [host, contentLength = '', contentType, forwardedFor, signature] = values;
  if (host === undefined || !/^\d{1,9}$/.test(contentLength)) return undefined;
  const bodyFrom = at + lineEnd.length;
  return {
    url: bytes.toString('latin1', urlFrom, urlTo),
    contentType,
    contentLength,
    forwardedFor,
    signature,
    bodyFrom,
    bodyTo: bodyFrom + Number(contentLength),
  };
}

/** Where, from there on, the first byte stands that the alphabet has not. */
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

/** Which of the known names that is; -1 where none. */
function outcomeLabel(bytes: Buffer, from: number, to: number): number {
  return known.findIndex((name) => {
    if (name.length !== to - from) return false;
    for (let i = 0; i < name.length; i += 1) {
      if (token[bytes[from + i] as number] !== name[i]) return false;
    }
    return true;
  });
}
