/**
 * Every way of connecting to the schema registry: a proxy before the real one demands a login, a
 * client certificate, or has a certificate of a private authority, which is replaced meanwhile.
 */

import { createPublicKey, verify } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type IncomingMessage, request as requestHttp, type ServerResponse } from 'node:http';
import { createServer, type ServerOptions } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import type { Environment } from '../../src/app/child-process.ts';
import { connectRegistry } from '../../src/avro/registry.ts';
import { readConfig } from '../../src/config/read.ts';
import { createLog } from '../../src/observability/log.ts';
import { type Authority, createAuthority } from '../support/authority.ts';
import { aBody } from '../support/builders.ts';
import { aDeployment, type Deployment, until } from '../support/deployment.ts';
import { type IdentityProvider, startIdentityProvider } from '../support/identity-provider.ts';
import { run } from '../support/run.ts';
import { post } from '../support/webhooks.ts';

let authority: Authority;
let idp: IdentityProvider;
let deployment: Deployment;
beforeAll(async () => {
  authority = await createAuthority('registry authority');
  idp = await startIdentityProvider([{ id: 'bridge', secret: 'oauth-secret' }]);
  deployment = await aDeployment(1);
});
afterAll(async () => {
  await deployment?.[Symbol.asyncDispose]();
  await idp?.[Symbol.asyncDispose]();
});

type Admits = (request: IncomingMessage) => boolean;

/** Starts the proxy, over TLS. */
async function proxied(admits: Admits, options: ServerOptions = {}, port = 0) {
  const registry = new URL(process.env['SCHEMA_REGISTRY_URL'] ?? '');
  const certified = await authority.certify({ name: 'registry' });
  const forward = (request: IncomingMessage, response: ServerResponse) => {
    if (!admits(request)) {
      response.writeHead(401, { 'content-type': 'application/json' }).end('{"error_code":401}');
      return;
    }
    const { method, headers } = request;
    const target = new URL(request.url ?? '', registry);
    const upstream = requestHttp(target, { method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    request.pipe(upstream);
  };
  const server = createServer({ ...certified, ...options }, forward);
  server.on('tlsClientError', () => undefined);
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  onTestFinished(close);
  const own = (server.address() as AddressInfo).port;
  return { url: `https://127.0.0.1:${own}${registry.pathname}`, port: own, close };
}

const header =
  (name: string, value: string): Admits =>
  ({ headers }) =>
    headers[name] === value;

const basic = `Basic ${Buffer.from('user:päss:word').toString('base64')}`;

/** Accepts what the identity provider has signed. */
const isSigned: Admits = ({ headers }) => {
  const [head = '', claims = '', signature = ''] = (headers.authorization ?? '')
    .replace('Bearer ', '')
    .split('.');
  const { keys } = JSON.parse(idp.jwks);
  const key = createPublicKey({ key: keys[0], format: 'jwk' });
  return verify(
    'sha256',
    Buffer.from(`${head}.${claims}`),
    key,
    Buffer.from(signature, 'base64url'),
  );
};

const logins: readonly [name: string, admits: Admits, env: () => Environment][] = [
  [
    'basic authentication',
    header('authorization', basic),
    () => ({ SCHEMA_REGISTRY_USERNAME: 'user', SCHEMA_REGISTRY_PASSWORD: 'päss:word' }),
  ],
  ['a bearer token', header('authorization', 'Bearer t1'), () => ({ SCHEMA_REGISTRY_TOKEN: 't1' })],
  [
    'OAuth client credentials and a header',
    (request) => isSigned(request) && header('target-sr-cluster', 'lsrc-1')(request),
    () => ({
      SCHEMA_REGISTRY_OAUTH_TOKEN_URL: idp.tokenUrl,
      SCHEMA_REGISTRY_OAUTH_CLIENT_ID: 'bridge',
      SCHEMA_REGISTRY_OAUTH_CLIENT_SECRET: 'oauth-secret',
      SCHEMA_REGISTRY_HEADERS: 'target-sr-cluster=lsrc-1',
    }),
  ],
];

test.each(logins)('%s, with a private authority', async (_, admits, env) => {
  const { url } = await proxied(admits);
  const tls = { ...deployment.env, SCHEMA_REGISTRY_URL: url, SCHEMA_REGISTRY_CA: authority.ca };
  await works({ ...tls, ...env() });
  expect((await run(['schemas', 'check'], tls)).messages).toContain('it does not accept our login');
});

test('a client certificate (mTLS)', async () => {
  const options = { requestCert: true, rejectUnauthorized: true, ca: authority.ca };
  const { url } = await proxied(() => true, options);
  const { cert, key } = await authority.certify({ name: 'client' });
  const tls = { ...deployment.env, SCHEMA_REGISTRY_URL: url, SCHEMA_REGISTRY_CA: authority.ca };
  await works({ ...tls, SCHEMA_REGISTRY_CERT: cert, SCHEMA_REGISTRY_KEY: key });
  expect((await run(['schemas', 'check'], { ...tls, START_TIMEOUT: '1s' })).messages).toContain(
    'demands a client certificate: set SCHEMA_REGISTRY_CERT_FILE and SCHEMA_REGISTRY_KEY_FILE',
  );
});

/** Registers, then lets an event through both services. */
async function works(env: Environment): Promise<void> {
  expect(await run(['schemas', 'register'], env)).toMatchObject({ code: 0 });
  const bridge = await deployment.start('bridge', env);
  const processor = await deployment.start('processor', env);
  const before = (await deployment.outputs()).length;
  expect((await post(bridge.url, aBody())).status).toBe(202);
  await until(async () => (await deployment.outputs()).length > before, 'the event came out');
  for (const { child } of [bridge, processor]) child.kill('SIGTERM');
  await Promise.all([bridge.child.exited, processor.child.exited]);
}

test('the authority, the certificate and the password are replaced while we are connected', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'voucherbus-registry-'));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  const files = { ca: join(directory, 'ca.crt'), password: join(directory, 'password') };
  await writeFile(files.ca, authority.ca);
  await writeFile(files.password, 'first');
  let password = 'first';
  const admits: Admits = (request) =>
    header('authorization', `Basic ${Buffer.from(`user:${password}`).toString('base64')}`)(request);
  const first = await proxied(admits);
  const env = {
    SCHEMA_REGISTRY_URL: first.url,
    SCHEMA_REGISTRY_CA_FILE: files.ca,
    SCHEMA_REGISTRY_USERNAME: 'user',
    SCHEMA_REGISTRY_PASSWORD_FILE: files.password,
  };
  const { readFileSync } = await import('node:fs');
  const readFile = (path: string) => readFileSync(path, 'utf8');
  const { registry: config } = readConfig(['registry'], { env, readFile });
  const registry = connectRegistry(config, createLog('silent', 'test'));
  const unknown = () => registry.schemaText(2_000_000_000);
  expect(await unknown()).toBeUndefined();

  first.close();
  authority = await createAuthority('the next registry authority');
  password = 'second';
  await proxied(admits, {}, first.port);
  await expect(unknown()).rejects.toThrow('is not signed by an authority that we trust');
  await writeFile(files.ca, authority.ca);
  await expect(unknown()).rejects.toThrow('it does not accept our login');
  await writeFile(files.password, 'second');
  expect(await unknown()).toBeUndefined();
});
