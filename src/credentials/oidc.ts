/**
 * Fetches access tokens by the client-credentials grant (RFC 6749 §4.4). The client proves itself
 * by a secret, by a key (RFC 7523, `private_key_jwt`), or by an assertion that something else has
 * signed, such as the projected token of a Kubernetes service account.
 */

import { createPrivateKey } from 'node:crypto';
import {
  allowInsecureRequests,
  type ClientAuth,
  ClientSecretBasic,
  clientCredentialsGrantRequest,
  customFetch,
  PrivateKeyJwt,
  processClientCredentialsResponse,
  ResponseBodyError,
} from 'oauth4webapi';
import type { OauthConfig } from '../config/connections.ts';
import { AppError, messageOf } from '../errors.ts';
import type { Log } from '../observability/log.ts';
import { currentOf } from './current.ts';
import { postForm } from './post-form.ts';
import { expiryOf, type FetchToken } from './token.ts';

/** Assumed if the endpoint does not say how long its token is valid (RFC 6749 §5.1). */
const defaultLifeMs = 300_000;

/** @param prefix of the settings, for messages: KAFKA_OAUTH */
export function fetchByClientCredentials(
  config: OauthConfig,
  prefix: string,
  log: Log,
): FetchToken {
  const { oauthTokenUrl: url = '', oauthClientId: clientId = '' } = config;
  // The endpoint is configured, not discovered. As issuer it becomes the assertion's audience.
  const server = { issuer: url, token_endpoint: url };
  const client = { client_id: clientId };
  const parameters = {
    ...(config.oauthScope ? { scope: config.oauthScope } : {}),
    ...(config.oauthAudience ? { audience: config.oauthAudience } : {}),
  };
  return async () => {
    try {
      const ca = currentOf(config.oauthCa, log);
      let status = 0;
      const response = await clientCredentialsGrantRequest(
        server,
        client,
        await authenticationOf(config, log),
        parameters,
        {
          [allowInsecureRequests]: url.startsWith('http:'),
          [customFetch]: async (_, { headers, body }) => {
            const answer = await postForm(url, { headers, body: String(body) }, ca);
            ({ status } = answer);
            return answer;
          },
        },
      ).catch((error: unknown) => {
        throw unreachable(url, error);
      });
      if (status >= 500 || status === 429) throw unreachable(url, new Error(`status ${status}`));
      const token = await processClientCredentialsResponse(server, client, response);
      const lifeMs = token.expires_in === undefined ? undefined : token.expires_in * 1_000;
      const expiresAtMs =
        lifeMs === undefined
          ? (expiryOf(token.access_token) ?? Date.now() + defaultLifeMs)
          : Date.now() + lifeMs;
      return { value: token.access_token, expiresAtMs };
    } catch (error) {
      throw error instanceof AppError ? error : refused(url, prefix, error);
    }
  };
}

async function authenticationOf(config: OauthConfig, log: Log): Promise<ClientAuth> {
  const secret = currentOf(config.oauthClientSecret, log);
  if (secret !== undefined) return ClientSecretBasic(secret);
  const pem = currentOf(config.oauthPrivateKey, log);
  if (pem !== undefined) {
    const key = await importKey(pem);
    return PrivateKeyJwt(config.oauthKeyId ? { key, kid: config.oauthKeyId } : key);
  }
  const assertion = currentOf(config.oauthAssertion, log) ?? '';
  return (_, client, body) => {
    body.set('client_id', client.client_id);
    body.set('client_assertion_type', 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer');
    body.set('client_assertion', assertion);
  };
}

/** Imports an RSA key for RS256, an EC key for ES256, an Ed25519 key for EdDSA. */
function importKey(pem: string): ReturnType<typeof crypto.subtle.importKey> {
  const key = createPrivateKey(pem);
  const der = key.export({ format: 'der', type: 'pkcs8' });
  const algorithm = algorithms[key.asymmetricKeyType ?? ''];
  if (algorithm === undefined) {
    const text = `the key that signs client assertions is of type ${key.asymmetricKeyType}: expected ${Object.keys(algorithms).join(', ')}`;
    throw new AppError('CONFIG_INVALID', 'stop', text);
  }
  return crypto.subtle.importKey('pkcs8', new Uint8Array(der), algorithm, false, ['sign']);
}

const algorithms: Readonly<Record<string, { name: string; hash?: string; namedCurve?: string }>> = {
  rsa: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' },
  ec: { name: 'ECDSA', namedCurve: 'P-256' },
  ed25519: { name: 'Ed25519' },
};

/** Nothing is known about the credentials: the same request may succeed later. */
function unreachable(url: string, error: unknown): AppError {
  const text = `no OAuth token from ${url}: ${reasonOf(error)}`;
  return new AppError('TOKEN_UNAVAILABLE', 'retry', text, error);
}

function refused(url: string, prefix: string, error: unknown): AppError {
  if (error instanceof ResponseBodyError) {
    const described = error.error_description ? ` (${error.error_description.slice(0, 200)})` : '';
    const text = `${url} refuses a token: status ${error.status}, ${error.error}${described}. ${adviceFor(error.error, prefix)}`;
    return new AppError('TOKEN_REFUSED', 'stop', text, error);
  }
  const text = `${url} does not respond like an OAuth token endpoint: ${reasonOf(error)}. Expected its address in ${prefix}_TOKEN_URL`;
  return new AppError('TOKEN_REFUSED', 'stop', text, error);
}

/** The error codes of RFC 6749 §5.2. */
function adviceFor(code: string, prefix: string): string {
  switch (code) {
    case 'invalid_client':
    case 'unauthorized_client':
      return `Check ${prefix}_CLIENT_ID and its secret, key or assertion`;
    case 'invalid_scope':
      return `Check ${prefix}_SCOPE`;
    case 'unsupported_grant_type':
      return 'Allow the client-credentials grant for this client';
    default:
      return `Check the settings ${prefix}_*`;
  }
}

/** Returns the innermost message: that of the outer error is often only "fetch failed". */
function reasonOf(error: unknown): string {
  let inner = error;
  while (inner instanceof Error && inner.cause instanceof Error) inner = inner.cause;
  return messageOf(inner) || (inner as { code?: string }).code || 'no reason given';
}
