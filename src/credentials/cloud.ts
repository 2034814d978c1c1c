/**
 * Fetches access tokens from a cloud's own sign-in service, by the cloud's own library. The
 * libraries are optional: each is loaded only if KAFKA_OAUTH_PROVIDER names it. They find the
 * identity in their usual ways (environment, files, metadata services).
 */

import { AppError, messageOf } from '../errors.ts';
import { loadOptional } from './optional-package.ts';
import type { FetchToken, Token } from './token.ts';

/** AWS MSK with IAM: a signed URL in the form of a token, by AWS's own signer. */
export function fetchFromAws(region: string): FetchToken {
  return signedIn('aws-msk-iam', async () => {
    const { generateAuthToken } = await load(
      'aws-msk-iam',
      'aws-msk-iam-sasl-signer-js',
      () => import('aws-msk-iam-sasl-signer-js'),
    );
    const { token, expiryTime } = await generateAuthToken({ region });
    return { value: token, expiresAtMs: expiryTime };
  });
}

/**
 * Microsoft Entra ID, for Event Hubs: managed identity, workload identity, or a service principal.
 */
export function fetchFromAzure(scope: string): FetchToken {
  let credential: { getToken(scope: string): Promise<AzureToken | null> } | undefined;
  return signedIn('azure', async () => {
    const { DefaultAzureCredential } = await load(
      'azure',
      '@azure/identity',
      () => import('@azure/identity'),
    );
    credential ??= new DefaultAzureCredential();
    const token = await credential.getToken(scope);
    if (token === null) throw new Error('no credential of the environment gives a token');
    return { value: token.token, expiresAtMs: token.expiresOnTimestamp };
  });
}

type AzureToken = { readonly token: string; readonly expiresOnTimestamp: number };

const googleScope = 'https://www.googleapis.com/auth/cloud-platform';

/** Google's access tokens live for an hour; the library does not tell how long one still has. */
const googleLifeMs = 30 * 60_000;

/**
 * Google Cloud Managed Service for Kafka: an access token in a JWT-shaped wrapper, as Google's
 * brokers read it (header `GOOG_OAUTH2_TOKEN`, then the claims, then the access token).
 */
export function fetchFromGoogle(): FetchToken {
  return signedIn('gcp', async () => {
    const { GoogleAuth } = await load(
      'gcp',
      'google-auth-library',
      () => import('google-auth-library'),
    );
    const auth = new GoogleAuth({ scopes: googleScope });
    const [accessToken, { client_email: sub }] = await Promise.all([
      auth.getAccessToken(),
      auth.getCredentials(),
    ]);
    if (!accessToken) throw new Error('no credential of the environment gives a token');
    const nowMs = Date.now();
    const expiresAtMs = nowMs + googleLifeMs;
    const seconds = (ms: number) => Math.floor(ms / 1_000);
    const header = { typ: 'JWT', alg: 'GOOG_OAUTH2_TOKEN' };
    const claims = {
      exp: seconds(expiresAtMs),
      iat: seconds(nowMs),
      iss: 'Google',
      scope: 'kafka',
      sub,
    };
    const parts = [JSON.stringify(header), JSON.stringify(claims), accessToken];
    const value = parts.map((part) => Buffer.from(part).toString('base64url')).join('.');
    return { value, expiresAtMs };
  });
}

const load = <T>(provider: string, name: string, loading: () => Promise<T>) =>
  loadOptional(name, `KAFKA_OAUTH_PROVIDER=${provider}`, loading);

/** A sign-in service that gives no token now may give one later. */
function signedIn(provider: string, fetchToken: () => Promise<Token>): FetchToken {
  return async () => {
    try {
      return await fetchToken();
    } catch (error) {
      if (error instanceof AppError) throw error;
      const text = `no token from KAFKA_OAUTH_PROVIDER=${provider}: ${messageOf(error)}`;
      throw new AppError('TOKEN_UNAVAILABLE', 'retry', text, error);
    }
  };
}
