/**
 * Access tokens: from a real OpenID provider, from servers that fail in every way, and from local
 * servers that speak the protocols of the clouds' sign-in services.
 */

import { createHash, createHmac, generateKeyPairSync, randomUUID, sign } from 'node:crypto';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { readConfig } from '../../src/config/read.ts';
import { fetchFromAws, fetchFromAzure, fetchFromGoogle } from '../../src/credentials/cloud.ts';
import { fetchByClientCredentials } from '../../src/credentials/oidc.ts';
import { loadOptional } from '../../src/credentials/optional-package.ts';
import { cachedToken, type Token } from '../../src/credentials/token.ts';
import { createLog } from '../../src/observability/log.ts';
import { createAuthority } from '../support/authority.ts';
import { type IdentityProvider, startIdentityProvider } from '../support/identity-provider.ts';
import { freePort } from '../support/ports.ts';

/** RFC 6749 §2.3.1: id and secret are form-encoded before they are joined by a colon. */
const secret = 's3cret: 100% + more';
const keys = {
  rsa: generateKeyPairSync('rsa', { modulusLength: 2048 }),
  ec: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
};

let idp: IdentityProvider;
beforeAll(async () => {
  idp = await startIdentityProvider([
    { id: 'by secret', secret },
    { id: 'by-rsa', key: keys.rsa.publicKey },
    { id: 'by-ec', key: keys.ec.publicKey },
  ]);
});
afterAll(async () => {
  await idp?.[Symbol.asyncDispose]();
});

const log = createLog('silent', 'test');

/** Fetches a token with these settings, as a service with this environment would. */
function fetchWith(
  settings: Record<string, string>,
  readFile: (path: string) => string = () => '',
): Promise<Token> {
  const env = {
    KAFKA_BROKERS: 'kafka:9093',
    KAFKA_SASL_MECHANISM: 'oauthbearer',
    KAFKA_OAUTH_TOKEN_URL: idp.tokenUrl,
    KAFKA_OAUTH_CLIENT_ID: 'by secret',
    ...settings,
  };
  const { kafka } = readConfig(['kafka'], { env, readFile });
  return fetchByClientCredentials(kafka, 'KAFKA_OAUTH', log)();
}

const claimsOf = ({ value }: Token) =>
  JSON.parse(Buffer.from(value.split('.')[1] ?? '', 'base64url').toString());

const pemOf = (kind: keyof typeof keys) =>
  keys[kind].privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();

test('a client secret with reserved characters, and a scope', async () => {
  const token = await fetchWith({
    KAFKA_OAUTH_CLIENT_SECRET: secret,
    KAFKA_OAUTH_SCOPE: 'events',
  });
  expect(claimsOf(token)).toMatchObject({ sub: 'by secret', scope: 'events', aud: 'kafka' });
  expect(token.expiresAtMs).toBeGreaterThan(Date.now());
});

test.each(['rsa', 'ec'] as const)('a private key of kind %s signs the assertion', async (kind) => {
  const token = await fetchWith({
    KAFKA_OAUTH_CLIENT_ID: `by-${kind}`,
    KAFKA_OAUTH_PRIVATE_KEY: pemOf(kind),
  });
  expect(claimsOf(token)).toMatchObject({ sub: `by-${kind}` });
});

test('a client assertion in a file is read again for each token', async () => {
  const texts = ['no.signed.assertion', assertion('by-rsa')];
  const readFile = () => texts[0] ?? '';
  const settings = {
    KAFKA_OAUTH_CLIENT_ID: 'by-rsa',
    KAFKA_OAUTH_CLIENT_ASSERTION_FILE: '/var/run/secrets/token',
  };
  await expect(fetchWith(settings, readFile)).rejects.toMatchObject({ code: 'TOKEN_REFUSED' });
  texts.shift();
  expect(claimsOf(await fetchWith(settings, readFile))).toMatchObject({ sub: 'by-rsa' });
});

/** An assertion as a Kubernetes API server signs it for a service account. */
function assertion(id: string): string {
  const now = Math.floor(Date.now() / 1_000);
  const claims = { iss: id, sub: id, aud: idp.issuer, iat: now, exp: now + 60, jti: randomUUID() };
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = `${part({ alg: 'RS256' })}.${part(claims)}`;
  return `${signed}.${sign('sha256', Buffer.from(signed), keys.rsa.privateKey).toString('base64url')}`;
}

async function serve(handle: RequestListener, tls?: { key: string; cert: string }) {
  const server = tls ? createHttpsServer(tls, handle) : createServer(handle);
  const port = await freePort();
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return { port, url: `${tls ? 'https' : 'http'}://127.0.0.1:${port}` };
}

const html = '<html><body>Sign in to <b>Example</b></body></html>';

test('a wrong secret: the sentence says which settings to look at, and never the secret', async () => {
  const error = await fetchWith({ KAFKA_OAUTH_CLIENT_SECRET: 'another one' }).catch((one) => one);
  expect(error).toMatchObject({ code: 'TOKEN_REFUSED', recovery: 'stop' });
  expect(error.message).toMatch(/status 401, invalid_client.*Check KAFKA_OAUTH_CLIENT_ID/);
  expect(error.message).not.toContain('another one');
});

test.each([
  ['a 503', 503, html, 'TOKEN_UNAVAILABLE', 'retry', 'status 503'],
  ['a 429', 429, '{}', 'TOKEN_UNAVAILABLE', 'retry', 'status 429'],
  [
    'an unknown scope',
    400,
    '{"error":"invalid_scope"}',
    'TOKEN_REFUSED',
    'stop',
    'Check KAFKA_OAUTH_SCOPE',
  ],
  [
    'a sign-in page',
    200,
    html,
    'TOKEN_REFUSED',
    'stop',
    'does not respond like an OAuth token endpoint',
  ],
  ['a redirect', 302, '', 'TOKEN_REFUSED', 'stop', 'Expected its address in KAFKA_OAUTH_TOKEN_URL'],
  ['a 404', 404, html, 'TOKEN_REFUSED', 'stop', 'Expected its address in KAFKA_OAUTH_TOKEN_URL'],
])('%s of the token endpoint', async (_, status, body, code, recovery, text) => {
  const { url } = await serve((request, response) => {
    request.resume();
    const headers = {
      'content-type': body === html ? 'text/html' : 'application/json',
      location: '/login',
    };
    response.writeHead(status, headers).end(body);
  });
  const settings = { KAFKA_OAUTH_TOKEN_URL: url, KAFKA_OAUTH_CLIENT_SECRET: secret };
  const error = await fetchWith(settings).catch((one) => one);
  expect(error).toMatchObject({ code, recovery });
  expect(error.message).toContain(text);
  expect(error.message).not.toContain('<');
});

test('an unreachable token endpoint is retried, and the message has the cause', async () => {
  const url = `http://127.0.0.1:${await freePort()}`;
  const settings = { KAFKA_OAUTH_TOKEN_URL: url, KAFKA_OAUTH_CLIENT_SECRET: secret };
  await expect(fetchWith(settings)).rejects.toMatchObject({
    code: 'TOKEN_UNAVAILABLE',
    recovery: 'retry',
    message: expect.stringContaining('ECONNREFUSED'),
  });
});

test('a token endpoint with a private certificate authority needs KAFKA_OAUTH_CA', async () => {
  const authority = await createAuthority('token authority');
  const { url } = await serve(
    (request, response) => {
      request.resume();
      response
        .writeHead(200, { 'content-type': 'application/json' })
        .end('{"access_token":"t1","token_type":"bearer","expires_in":3600}');
    },
    await authority.certify({ name: 'idp' }),
  );
  const settings = { KAFKA_OAUTH_TOKEN_URL: url, KAFKA_OAUTH_CLIENT_SECRET: secret };
  await expect(fetchWith(settings)).rejects.toMatchObject({ recovery: 'retry' });
  expect(await fetchWith({ ...settings, KAFKA_OAUTH_CA: authority.ca })).toMatchObject({
    value: 't1',
  });
});

test('a token is kept while it is valid, shared by connections, and renewed before its end', async () => {
  let count = 0;
  const token = cachedToken(async () => {
    count += 1;
    return { value: `t${count}`, expiresAtMs: Date.now() + 3_600_000 };
  });
  expect(await Promise.all([token(), token()])).toEqual(['t1', 't1']);
  expect(await token()).toBe('t1');
  const brief = cachedToken(async () => {
    count += 1;
    return { value: `b${count}`, expiresAtMs: Date.now() - 1 };
  });
  const [first, second] = [await brief(), await brief()];
  expect(first).not.toBe(second);
});

test('aws-msk-iam: a URL signed with the credentials of the container endpoint, by AWS’s rules', async () => {
  const secretKey = 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY';
  const { port } = await serve((_, response) => {
    const expiration = new Date(Date.now() + 3_600_000).toISOString();
    const identity = {
      AccessKeyId: 'AKIDEXAMPLE',
      SecretAccessKey: secretKey,
      Token: 'session',
      Expiration: expiration,
    };
    response.setHeader('content-type', 'application/json').end(JSON.stringify(identity));
  });
  vi.stubEnv('AWS_CONTAINER_CREDENTIALS_FULL_URI', `http://127.0.0.1:${port}/creds`);
  vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true');
  onTestFinished(() => void vi.unstubAllEnvs());
  const token = await fetchFromAws('eu-central-1')();
  const url = new URL(Buffer.from(token.value, 'base64url').toString());
  expect(url.host).toBe('kafka.eu-central-1.amazonaws.com');
  expect(url.searchParams.get('Action')).toBe('kafka-cluster:Connect');
  expect(url.searchParams.get('X-Amz-Credential')).toMatch(
    /^AKIDEXAMPLE\/\d{8}\/eu-central-1\/kafka-cluster\/aws4_request$/,
  );
  expect(url.searchParams.get('X-Amz-Signature')).toBe(signatureV4(url, secretKey));
  expect(token.expiresAtMs).toBeGreaterThan(Date.now());
});

/** Signature Version 4 of a pre-signed URL, computed once more from its definition. */
function signatureV4(url: URL, secretKey: string): string {
  const encode = (text: string) =>
    encodeURIComponent(text).replaceAll(
      /[!'()*]/g,
      (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`,
    );
  const get = (name: string) => url.searchParams.get(name) ?? '';
  const query = [...url.searchParams]
    .filter(([name]) => name !== 'X-Amz-Signature' && name !== 'User-Agent')
    .map(([name, value]) => `${encode(name)}=${encode(value)}`)
    .sort()
    .join('&');
  const hash = (text: string) => createHash('sha256').update(text).digest('hex');
  const canonical = ['GET', '/', query, `host:${url.host}`, '', 'host', hash('')].join('\n');
  const [, ...scope] = get('X-Amz-Credential').split('/');
  const text = ['AWS4-HMAC-SHA256', get('X-Amz-Date'), scope.join('/'), hash(canonical)].join('\n');
  const hmac = (key: Buffer, part: string) => createHmac('sha256', key).update(part).digest();
  const key = scope.reduce(hmac, Buffer.from(`AWS4${secretKey}`));
  return hmac(key, text).toString('hex');
}

test('azure: the managed identity endpoint gives a token for the scope', async () => {
  const asked: string[] = [];
  const { port } = await serve((request, response) => {
    asked.push(`${request.headers['x-identity-header']} ${request.url}`);
    const expires = Math.floor(Date.now() / 1_000) + 3_600;
    const body = {
      access_token: 'azure-token',
      expires_on: String(expires),
      token_type: 'Bearer',
      resource: 'x',
    };
    response.setHeader('content-type', 'application/json').end(JSON.stringify(body));
  });
  vi.stubEnv('IDENTITY_ENDPOINT', `http://127.0.0.1:${port}/msi/token`);
  vi.stubEnv('IDENTITY_HEADER', 'proof');
  onTestFinished(() => void vi.unstubAllEnvs());
  const token = await fetchFromAzure('https://ns.servicebus.windows.net/.default')();
  expect(token.value).toBe('azure-token');
  expect(asked.join()).toContain('proof /msi/token');
  expect(decodeURIComponent(asked.join())).toContain('https://ns.servicebus.windows.net');
});

test('gcp: the access token of the metadata server, in the form that Google’s brokers read', async () => {
  const { port } = await serve((request, response) => {
    response.setHeader('metadata-flavor', 'Google');
    if (request.url?.includes('/token')) {
      response
        .setHeader('content-type', 'application/json')
        .end('{"access_token":"ya29.google","expires_in":3599,"token_type":"Bearer"}');
    } else if (request.url?.includes('/email')) response.end('svc@project.iam.gserviceaccount.com');
    else if (request.url?.includes('/service-accounts'))
      response
        .setHeader('content-type', 'application/json')
        .end('{"default":{"email":"svc@project.iam.gserviceaccount.com"}}');
    else response.end('project');
  });
  vi.stubEnv('GCE_METADATA_HOST', `127.0.0.1:${port}`);
  vi.stubEnv('METADATA_SERVER_DETECTION', 'assume-present');
  onTestFinished(() => void vi.unstubAllEnvs());
  const token = await fetchFromGoogle()();
  const [header = '', claims = '', access = ''] = token.value
    .split('.')
    .map((part) => Buffer.from(part, 'base64url').toString());
  expect(JSON.parse(header)).toEqual({ typ: 'JWT', alg: 'GOOG_OAUTH2_TOKEN' });
  expect(JSON.parse(claims)).toMatchObject({
    sub: 'svc@project.iam.gserviceaccount.com',
    scope: 'kafka',
    iss: 'Google',
  });
  expect(access).toBe('ya29.google');
});

test('a package that is not installed is named, with the command', async () => {
  const name = 'no-such-package-of-ours';
  await expect(
    loadOptional(name, 'KAFKA_OAUTH_PROVIDER=x', () => import(name)),
  ).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: `KAFKA_OAUTH_PROVIDER=x needs the package ${name}, which is not installed: run \`npm install ${name}\`, or build the image with --build-arg PACKAGES=${name}`,
  });
});
