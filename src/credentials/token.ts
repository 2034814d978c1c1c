/** Access tokens: what every provider returns, and the cache before it. */

export type Token = {
  readonly value: string;
  readonly expiresAtMs: number;
};

/** @throws AppError; recovery `retry` if the same request may succeed later */
export type FetchToken = () => Promise<Token>;

/**
 * A token is renewed a minute before its end, or when a tenth of its life is left, so that a
 * connection never presents one that expires on the way.
 */
const renewBeforeMs = 60_000;
const renewLeastPart = 10;

/** Returns the token while it is valid, and fetches the next one shortly before it expires. */
export function cachedToken(fetchToken: FetchToken): () => Promise<string> {
  let token: Token | undefined;
  let renewAtMs = 0;
  let pending: Promise<string> | undefined;
  const renew = async () => {
    const askedAtMs = Date.now();
    token = await fetchToken();
    const lifeMs = token.expiresAtMs - askedAtMs;
    renewAtMs = token.expiresAtMs - Math.min(renewBeforeMs, lifeMs / renewLeastPart);
    return token.value;
  };
  return async () => {
    if (token && Date.now() < renewAtMs) return token.value;
    // Connections that open at the same time share one request.
    pending ??= renew().finally(() => {
      pending = undefined;
    });
    return pending;
  };
}

/**
 * Reads the end of a JWT from its `exp`. Returns undefined if the token has another form: the
 * receiver checks it, not we.
 */
export function expiryOf(token: string): number | undefined {
  try {
    const { exp } = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());
    return typeof exp === 'number' ? exp * 1_000 : undefined;
  } catch {
    return undefined;
  }
}
