/**
 * Fetches OAUTHBEARER tokens by the client-credentials grant (RFC 6749 §4.4), and keeps them until
 * shortly before they expire.
 */

import { AppError, messageOf } from '../errors.ts';
import { textOf } from '../http.ts';

type Credentials = {
  readonly tokenUrl: string;
  readonly clientId: string;
  readonly clientSecret: string;
};

/** The largest response that is read; a token has a few kilobytes. */
const maxAnswerBytes = 256 * 1024;

/**
 * A token is renewed this long before its end, so that a connection never presents one that expires
 * on the way.
 */
const renewBeforeMs = 60_000;

export function createTokenProvider({ tokenUrl, clientId, clientSecret }: Credentials) {
  let token = { value: '', expiresAtMs: 0 };
  return async (): Promise<{ value: string }> => {
    if (Date.now() < token.expiresAtMs - renewBeforeMs) return { value: token.value };
    try {
      const answer = await fetch(tokenUrl, {
        method: 'POST',
        headers: {
          authorization: `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString('base64')}`,
        },
        body: new URLSearchParams({ grant_type: 'client_credentials' }),
        signal: AbortSignal.timeout(10_000),
        // A redirect must not send the credentials to another host.
        redirect: 'error',
      });
      const { access_token, expires_in } = JSON.parse(
        await textOf(answer, maxAnswerBytes),
      ) as Record<string, unknown>;
      if (typeof access_token !== 'string') throw new Error(`status ${answer.status}, no token`);
      token = { value: access_token, expiresAtMs: Date.now() + Number(expires_in ?? 300) * 1_000 };
      return { value: access_token };
    } catch (error) {
      const text = `no OAuth token from ${tokenUrl}: ${messageOf(error)}`;
      throw new AppError('BROKER_UNAVAILABLE', 'retry', text, error);
    }
  };
}
