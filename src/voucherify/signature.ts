/**
 * Voucherify's webhook signature: HMAC-SHA256 of the body, lower-case hex, in
 * x-voucherify-signature (Introduction to webhooks, voucherify docs).
 */

import { createHmac, timingSafeEqual } from 'node:crypto';
import { backslash, isSpace, quote } from './json-bytes.ts';

export const signatureHeader = 'x-voucherify-signature';

type NamedSecret = { readonly name: string; readonly key: string };

/** A body whose signature was checked. Only `verify` creates one. */
export type Verified = {
  readonly body: Buffer;
  readonly signature: string;
  readonly secretName: string;
};

export type Verification =
  | { readonly kind: 'verified'; readonly verified: Verified }
  | { readonly kind: 'no-signature' | 'wrong-signature' };

const wrongSignature = { kind: 'wrong-signature' } as const;

/**
 * Returns whether the text has the form of a signature (64 hex digits). Checked before the body is
 * read, to save work for forged requests.
 */
export function isSignature(text: string | undefined): boolean {
  return text !== undefined && /^[0-9a-f]{64}$/.test(text);
}

/**
 * Tries every secret on the received bytes, then on the bytes without insignificant white space:
 * the vendor signs the compact text and does not say that it always sends it. The JSON is never
 * parsed and serialized again, because that would change numbers and escapes.
 */
export function verify(
  body: Buffer,
  signature: string | undefined,
  secrets: readonly NamedSecret[],
): Verification {
  if (signature === undefined || signature === '') return { kind: 'no-signature' };
  if (!isSignature(signature)) return wrongSignature;
  const given = Buffer.from(signature, 'latin1');
  const secretFor = (bytes: Buffer) => secrets.find(({ key }) => isEqual(given, sign(bytes, key)));
  const verifiedBy = (secret: NamedSecret | undefined): Verification =>
    secret
      ? { kind: 'verified', verified: { body, signature, secretName: secret.name } }
      : wrongSignature;
  const asSent = secretFor(body);
  if (asSent) return verifiedBy(asSent);
  const compact = withoutWhitespace(body);
  if (compact === undefined || compact.length === body.length) return wrongSignature;
  return body.length > maxInflated(compact.length)
    ? wrongSignature
    : verifiedBy(secretFor(compact));
}

export function sign(body: Buffer, key: string): string {
  return createHmac('sha256', key).update(body).digest('hex');
}

/** Returns the headers of a webhook with this body, as the vendor sends them. */
export function signedHeaders(body: Buffer, key: string): Record<string, string> {
  return { 'content-type': 'application/json', [signatureHeader]: sign(body, key) };
}

function isEqual(given: Buffer, expected: string): boolean {
  const bytes = Buffer.from(expected, 'latin1');
  return given.length === bytes.length && timingSafeEqual(given, bytes);
}

/** Bounds how much white space a replayed body may gain. Indentation needs less. */
const maxInflated = (compactBytes: number) => 8 * compactBytes + 4_096;

/** White space next to one of these bytes is insignificant. */
const isDelimiter = new Uint8Array(256);
for (const byte of Buffer.from('{}[]:,"')) isDelimiter[byte] = 1;

/**
 * Removes JSON's white space outside of strings. Returns undefined if two tokens would become one:
 * `[1 2]` must not pass for `[12]`.
 */
export function withoutWhitespace(body: Buffer): Buffer | undefined {
  const compact = Buffer.allocUnsafe(body.length);
  let length = 0;
  let isInString = false;
  let isAfterSpace = false;
  for (let i = 0; i < body.length; i += 1) {
    const byte = body[i] as number;
    if (isInString) {
      compact[length++] = byte;
      if (byte === backslash && i + 1 < body.length) compact[length++] = body[++i] as number;
      else if (byte === quote) isInString = false;
    } else if (isSpace(byte)) isAfterSpace = length > 0;
    else {
      if (isAfterSpace && !isDelimiter[byte] && !isDelimiter[compact[length - 1] as number]) {
        return undefined;
      }
      isAfterSpace = false;
      compact[length++] = byte;
      isInString = byte === quote;
    }
  }
  return compact.subarray(0, length);
}
