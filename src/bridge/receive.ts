/** Which answer a request gets, before and after its body is read. Pure: `server.ts` carries it out. */

import { type Unverified, type Verified, verify } from '../voucherify/signature.ts';
import { type Problem, problems } from './problem.ts';

export type RequestHead = {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly contentType: string | undefined;
  readonly contentLength: string | undefined;
};

export type Load = {
  readonly requests: number;
  readonly bytes: number;
};

export type Limits = {
  readonly source: string;
  readonly maxBodyBytes: number;
  readonly maxInFlightRequests: number;
  readonly maxInFlightBytes: number;
};

type Secrets = Parameters<typeof verify>[2];

/** Undefined: the body may be read. */
export function admit(head: RequestHead, load: Load, limits: Limits): Problem | undefined {
  const path = head.url?.split('?', 1)[0];
  if (path !== `/webhooks/${limits.source}`) return problems.unknownPath;
  if (head.method !== 'POST') return problems.wrongMethod;
  if (!isAccepted(head.contentType)) return problems.wrongMediaType;
  if (Number(head.contentLength ?? 0) > limits.maxBodyBytes) return problems.tooLarge;
  const isFull =
    load.requests >= limits.maxInFlightRequests || load.bytes >= limits.maxInFlightBytes;
  return isFull ? problems.tooMany : undefined;
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
