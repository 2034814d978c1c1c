/**
 * The bridge's problem responses (RFC 9457). None of them repeats the body or the expected
 * signature.
 */

export type Problem = {
  readonly kind: 'problem';
  readonly slug: string;
  readonly status: number;
  readonly title: string;
  readonly headers?: Readonly<Record<string, string>>;
};

/**
 * Seconds. Voucherify retries after 1 minute at the soonest; other clients may come back after
 * this.
 */
const retryAfter = { 'retry-after': '5' };

export const problems = {
  malformed: {
    kind: 'problem',
    slug: 'malformed-request',
    status: 400,
    title: 'The request is not HTTP',
  },
  noSignature: {
    kind: 'problem',
    slug: 'no-signature',
    status: 401,
    title: 'The x-voucherify-signature header is missing',
  },
  wrongSignature: {
    kind: 'problem',
    slug: 'wrong-signature',
    status: 401,
    title: 'The signature matches none of the configured secrets',
  },
  senderNotAllowed: {
    kind: 'problem',
    slug: 'sender-not-allowed',
    status: 403,
    title: 'The sender is none of ALLOWED_SENDERS',
  },
  unknownPath: {
    kind: 'problem',
    slug: 'unknown-path',
    status: 404,
    title: 'Webhooks arrive at /webhooks/<source>, for each source that has a secret',
  },
  wrongMethod: {
    kind: 'problem',
    slug: 'wrong-method',
    status: 405,
    title: 'Webhooks are sent with POST',
    headers: { allow: 'POST' },
  },
  slowHead: {
    kind: 'problem',
    slug: 'slow-head',
    status: 408,
    title: 'The request line and headers did not arrive in time',
  },
  slowBody: {
    kind: 'problem',
    slug: 'slow-body',
    status: 408,
    title: 'The body did not arrive in time',
  },
  tooLarge: {
    kind: 'problem',
    slug: 'too-large',
    status: 413,
    title: 'The body is over the limit (BODY_MAX_BYTES)',
  },
  headersTooLarge: {
    kind: 'problem',
    slug: 'headers-too-large',
    status: 431,
    title: 'The headers are over the limit (16 KiB)',
  },
  tooMany: {
    kind: 'problem',
    slug: 'too-many-in-flight',
    status: 503,
    title: 'Too many webhooks are waiting to be stored',
    headers: retryAfter,
  },
  notStored: {
    kind: 'problem',
    slug: 'not-stored',
    status: 503,
    title: 'Kafka did not store the webhook in time',
    headers: retryAfter,
  },
} as const satisfies Record<string, Problem>;

export const problemType = 'application/problem+json';

export function problemBody({ slug, status, title }: Problem): string {
  return JSON.stringify({ type: `urn:voucherbus:problem:${slug}`, title, status });
}
