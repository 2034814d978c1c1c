/** Which answer a request gets, before and after its body is read. Pure: `handle.ts` carries it out. */

import type { Senders } from '../config/senders.ts';
import { isSignature, type Unverified, type Verified, verify } from '../voucherify/signature.ts';
import { type Problem, problems } from './problems.ts';

export type RequestHead = {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly contentLength: string | undefined;
  /** Of the connection. */
  readonly address: string | undefined;
  readonly forwardedFor: string | undefined;
  readonly signature: string | undefined;
};

export type Limits = {
  /** Undefined: anybody, for the signature decides. */
  readonly allowedSenders: Senders | undefined;
  /** Proxies in front of the bridge whose X-Forwarded-For is believed. */
  readonly trustedProxyHops: number;
  readonly maxBodyBytes: number;
};

type Secrets = Parameters<typeof verify>[2];

/** `source` is undefined if the path names no known source. */
type Refused = Problem & { readonly source?: string };

/** Returns the source of the request if its body may be read. The media type is ignored: every signed webhook is stored. */
export function admit(
  head: RequestHead,
  limits: Limits,
  sources: { readonly has: (source: string) => boolean },
): { readonly source: string; readonly status?: undefined } | Refused {
  if (!isAllowed(head, limits)) return problems.senderNotAllowed;
  const path = pathOf(head.url ?? '');
  const source = path.startsWith(pathPrefix) ? path.slice(pathPrefix.length) : '';
  if (!sources.has(source)) return problems.unknownPath;
  if (head.method !== 'POST') return problems.wrongMethod;
  if (!head.signature) return { ...problems.noSignature, source };
  if (!isSignature(head.signature)) return { ...problems.wrongSignature, source };
  if (Number(head.contentLength ?? 0) > limits.maxBodyBytes)
    return { ...problems.tooLarge, source };
  return { source };
}

const pathPrefix = '/webhooks/';

/** Returns the path of a request target in origin or absolute form (RFC 9112 3.2.2); proxies may send either. */
function pathOf(url: string): string {
  if (/^https?:\/\//i.test(url)) return URL.canParse(url) ? new URL(url).pathname : '';
  return url.split('?', 1)[0] ?? '';
}

function isAllowed(
  { address, forwardedFor }: RequestHead,
  { allowedSenders, trustedProxyHops }: Limits,
): boolean {
  if (!allowedSenders) return true;
  const sender = senderOf({ address, forwardedFor }, { trustedProxyHops });
  return sender !== undefined && allowedSenders.has(sender);
}

/**
 * The address a request came from: the connection's, or, behind so many trusted proxies, what the outermost of them wrote into X-Forwarded-For.
 * What stands further left was written by who knows whom. Undefined where fewer proxies wrote than are trusted.
 */
export function senderOf(
  { address, forwardedFor }: Pick<RequestHead, 'address' | 'forwardedFor'>,
  { trustedProxyHops }: Pick<Limits, 'trustedProxyHops'>,
): string | undefined {
  if (trustedProxyHops === 0) return address && withoutMapping(address);
  const written = (forwardedFor ?? '').split(',').map((item) => item.trim());
  const sender = written.at(-trustedProxyHops);
  return sender ? withoutMapping(withoutPort(sender)) : undefined;
}

/** Some proxies write the port too: 192.0.2.1:443, [2001:db8::1]:443, [2001:db8::1]. */
function withoutPort(address: string): string {
  const [, bracketed, v4] =
    /^(?:\[([^\]]+)\](?::\d+)?|(\d+\.\d+\.\d+\.\d+):\d+)$/.exec(address) ?? [];
  return bracketed ?? v4 ?? address;
}

/** An IPv4 address as a socket for both families shows it. */
function withoutMapping(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/i, '');
}

export function authenticate(
  body: Buffer,
  signature: string | undefined,
  secrets: Secrets,
): Verified | Problem {
  const result = verify(body, signature, secrets);
  return typeof result === 'string' ? refusals[result] : result;
}

const refusals: Readonly<Record<Unverified, Problem>> = {
  'no-signature': problems.noSignature,
  'wrong-signature': problems.wrongSignature,
};
