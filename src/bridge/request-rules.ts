/**
 * Decides which requests are admitted, before and after the body is read. Pure:
 * `request-handler.ts` carries it out.
 */

import { type Senders, withoutMapping } from '../config/senders.ts';
import { isSignature, type Verified, verify } from '../voucherify/signature.ts';
import { type Problem, problems } from './problems.ts';

export type RequestHead = {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly contentLength: string | undefined;
  /** Peer address of the connection. */
  readonly address: string | undefined;
  readonly forwardedFor: string | undefined;
  readonly signature: string | undefined;
};

export type RequestLimits = {
  /** Undefined: every address may send, because the signature decides. */
  readonly allowedSenders: Senders | undefined;
  /** Number of proxies in front of the bridge whose X-Forwarded-For is trusted. */
  readonly trustedProxyHops: number;
  readonly maxBodyBytes: number;
};

type Secrets = Parameters<typeof verify>[2];

export type Admission =
  | { readonly kind: 'admitted'; readonly source: string }
  /** `source` is undefined if the path names no known source. */
  | { readonly kind: 'refused'; readonly problem: Problem; readonly source?: string };

/**
 * Returns the source of the request if its body may be read. The media type is ignored: every
 * signed webhook is stored.
 */
export function admit(
  head: RequestHead,
  limits: RequestLimits,
  sources: { readonly has: (source: string) => boolean },
): Admission {
  const refused = (problem: Problem, source?: string): Admission => {
    return { kind: 'refused', problem, ...(source === undefined ? {} : { source }) };
  };
  if (!isAllowed(head, limits)) return refused(problems.senderNotAllowed);
  const path = pathOf(head.url ?? '');
  const source = path.startsWith(pathPrefix) ? path.slice(pathPrefix.length) : '';
  if (!sources.has(source)) return refused(problems.unknownPath);
  if (head.method !== 'POST') return refused(problems.wrongMethod);
  if (!head.signature) return refused(problems.noSignature, source);
  if (!isSignature(head.signature)) return refused(problems.wrongSignature, source);
  const isTooLarge = Number(head.contentLength ?? 0) > limits.maxBodyBytes;
  return isTooLarge ? refused(problems.tooLarge, source) : { kind: 'admitted', source };
}

const pathPrefix = '/webhooks/';

/**
 * Returns the path of a request target in origin or absolute form (RFC 9112 3.2.2); proxies may
 * send either.
 */
function pathOf(url: string): string {
  if (/^https?:\/\//i.test(url)) return URL.canParse(url) ? new URL(url).pathname : '';
  return url.split('?', 1)[0] ?? '';
}

function isAllowed(
  { address, forwardedFor }: RequestHead,
  { allowedSenders, trustedProxyHops }: RequestLimits,
): boolean {
  if (!allowedSenders) return true;
  const sender = senderOf({ address, forwardedFor }, { trustedProxyHops });
  return sender !== undefined && allowedSenders.has(sender);
}

/**
 * Returns the address a request came from: the connection's, or, behind trusted proxies, what the
 * outermost of them wrote into X-Forwarded-For. Entries further left may be forged. Returns
 * undefined if fewer proxies wrote than are trusted.
 */
export function senderOf(
  { address, forwardedFor }: Pick<RequestHead, 'address' | 'forwardedFor'>,
  { trustedProxyHops }: Pick<RequestLimits, 'trustedProxyHops'>,
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

export function authenticate(
  body: Buffer,
  signature: string | undefined,
  secrets: Secrets,
): { readonly kind: 'verified'; readonly verified: Verified } | Problem {
  const result = verify(body, signature, secrets);
  switch (result.kind) {
    case 'verified':
      return result;
    case 'no-signature':
      return problems.noSignature;
    case 'wrong-signature':
      return problems.wrongSignature;
  }
}
