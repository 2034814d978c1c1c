/** Which answer a request gets, before and after its body is read. Pure: `handle.ts` carries it out. */

import type { Senders } from '../config/senders.ts';
import { type Unverified, type Verified, verify } from '../voucherify/signature.ts';
import { type Problem, problems } from './problem.ts';

export type RequestHead = {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly contentType: string | undefined;
  readonly contentLength: string | undefined;
  /** Of the connection. */
  readonly address: string | undefined;
  readonly forwardedFor: string | undefined;
};

export type Limits = {
  /** Undefined: anybody, for the signature decides. */
  readonly allowedSenders: Senders | undefined;
  /** Proxies in front of the bridge whose X-Forwarded-For is believed. */
  readonly trustedProxyHops: number;
  readonly maxBodyBytes: number;
};

type Secrets = Parameters<typeof verify>[2];

/** The source under which it arrives, where its body may be read. */
export function admit(
  head: RequestHead,
  limits: Limits,
  sources: { readonly has: (source: string) => boolean },
): { readonly source: string } | Problem {
  if (!isAllowed(head, limits)) return problems.senderNotAllowed;
  const path = head.url?.split('?', 1)[0] ?? '';
  const source = path.startsWith(pathPrefix) ? path.slice(pathPrefix.length) : '';
  if (!sources.has(source)) return problems.unknownPath;
  if (head.method !== 'POST') return problems.wrongMethod;
  if (!isAccepted(head.contentType)) return problems.wrongMediaType;
  if (Number(head.contentLength ?? 0) > limits.maxBodyBytes) return problems.tooLarge;
  return { source };
}

const pathPrefix = '/webhooks/';

function isAllowed(
  { address, forwardedFor }: RequestHead,
  { allowedSenders, trustedProxyHops }: Limits,
): boolean {
  if (!allowedSenders) return true;
  const sender = senderOf(address, forwardedFor, trustedProxyHops);
  return sender !== undefined && allowedSenders.has(sender);
}

/**
 * The address a request came from: the connection's, or, behind so many trusted proxies, what the outermost of them wrote into X-Forwarded-For.
 * What stands further left was written by who knows whom. Undefined where fewer proxies wrote than are trusted.
 */
export function senderOf(
  connection: string | undefined,
  forwardedFor: string | undefined,
  trustedProxies: number,
): string | undefined {
  if (trustedProxies === 0) return connection && withoutMapping(connection);
  const written = (forwardedFor ?? '').split(',').map((address) => address.trim());
  const sender = written.at(-trustedProxies);
  return sender ? withoutMapping(sender) : undefined;
}

/** An IPv4 address as a socket for both families shows it. */
function withoutMapping(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/i, '');
}

/**
 * The vendor documents application/json; distributions can also send plain strings. What has no media type is taken: refusing a webhook for 24
 * hours disables it.
 */
function isAccepted(contentType: string | undefined): boolean {
  if (contentType === undefined || contentType === '') return true;
  const mediaType = contentType.split(';', 1)[0]?.trim().toLowerCase() ?? '';
  return /^(application\/(json|[\w.-]+\+json)|text\/plain)$/.test(mediaType);
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
