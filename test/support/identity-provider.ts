/**
 * A real OpenID provider (npm oidc-provider): a token endpoint that gives signed JWTs for client
 * credentials, and the key set by which a broker checks them.
 */

import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { createServer } from 'node:http';
import { Provider } from 'oidc-provider';
import { freePort } from './ports.ts';

type Client = {
  readonly id: string;
  /** Undefined: the client signs its assertions with `key`. */
  readonly secret?: string;
  readonly key?: KeyObject;
};

export const audience = 'kafka';

export type IdentityProvider = Awaited<ReturnType<typeof startIdentityProvider>>;

/** @param lifeSeconds how long a token is valid */
export async function startIdentityProvider(clients: readonly Client[], lifeSeconds = 60) {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const jwk = { ...privateKey.export({ format: 'jwk' }), kid: 'k1', use: 'sig', alg: 'RS256' };
  const port = await freePort();
  const issuer = `http://127.0.0.1:${port}`;
  let life = lifeSeconds;
  let isAway = false;
  const provider = new Provider(issuer, {
    jwks: { keys: [jwk] },
    clients: clients.map(({ id, secret, key }) => ({
      client_id: id,
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
      ...(secret === undefined
        ? {
            token_endpoint_auth_method: 'private_key_jwt',
            jwks: { keys: key ? [{ ...key.export({ format: 'jwk' }), use: 'sig' }] : [] },
          }
        : { client_secret: secret, token_endpoint_auth_method: 'client_secret_basic' }),
    })),
    scopes: ['events'],
    ttl: { ClientCredentials: () => life },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => `urn:${audience}`,
        getResourceServerInfo: () => ({
          scope: 'events',
          audience,
          accessTokenTTL: life,
          accessTokenFormat: 'jwt',
          jwt: { sign: { alg: 'RS256' } },
        }),
      },
    },
    extraTokenClaims: (_, token) => ({ sub: token.clientId }),
  } as ConstructorParameters<typeof Provider>[1]);
  const callback = provider.callback();
  const server = createServer((request, response) => {
    if (isAway) request.socket.destroy();
    else void callback(request, response);
  });
  await new Promise<void>((resolve) => server.listen(port, '0.0.0.0', resolve));
  return {
    issuer,
    tokenUrl: `${issuer}/token`,
    jwksUrl: `${issuer}/jwks`,
    /** The key set as the broker may read it from a file. */
    jwks: JSON.stringify({ keys: [publicPart(jwk)] }),
    setLife: (seconds: number) => {
      life = seconds;
    },
    setAway: (value: boolean) => {
      isAway = value;
    },
    [Symbol.asyncDispose]: async () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

function publicPart({ kty, n, e, kid, use, alg }: Record<string, unknown>) {
  return { kty, n, e, kid, use, alg };
}
