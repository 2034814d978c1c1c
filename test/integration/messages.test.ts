/**
 * Every wrong setting of a connection has its sentence: the cause, and what to do. Most are met
 * before Kafka's protocol begins, so the other side is a TLS server with a certificate of the
 * wanted kind; where Kafka itself refuses, it is a real broker.
 */

import { createServer as createHttpServer } from 'node:http';
import { createServer as createTcpServer, type Server } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Environment } from '../../src/app/child-process.ts';
import { type Authority, type Certified, createAuthority } from '../support/authority.ts';
import { aBody } from '../support/builders.ts';
import { startBrokers } from '../support/cluster.ts';
import { aDeployment, until } from '../support/deployment.ts';
import { freePort } from '../support/ports.ts';
import { run } from '../support/run.ts';
import { type Secured, startSecured } from '../support/secured.ts';
import { openAccess } from '../support/way.ts';
import { post } from '../support/webhooks.ts';

let secured: Secured;
let foreign: Authority;
const servers: Server[] = [];
const made: Record<string, Certified> = {};
beforeAll(async () => {
  secured = await startSecured((line) => process.stderr.write(`· ${line}\n`));
  foreign = await createAuthority('another authority');
  const { certify } = secured.authority;
  made['expired'] = await certify({ name: 'admin', fromDays: -3, toDays: -2 });
  made['future'] = await certify({ name: 'admin', fromDays: 2, toDays: 3 });
  made['elsewhere'] = await certify({ name: 'broker', names: 'DNS:kafka.example.com' });
  made['foreign'] = await foreign.certify({ name: 'admin' });
});
afterAll(async () => {
  for (const server of servers) server.close();
  await secured?.[Symbol.asyncDispose]();
});

/** Listens with this certificate, and says nothing. */
async function tlsServer(certified: Certified | undefined): Promise<string> {
  const server = certified ? createTlsServer({ ...certified }) : createTcpServer();
  servers.push(server);
  server.on('tlsClientError', () => undefined);
  const port = await freePort();
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return `127.0.0.1:${port}`;
}

async function httpServer(status: number, type: string, body: string): Promise<string> {
  const server = createHttpServer((request, response) => {
    request.resume();
    response.writeHead(status, { 'content-type': type, location: '/login' }).end(body);
  });
  servers.push(server);
  const port = await freePort();
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return `http://127.0.0.1:${port}`;
}

type Case = readonly [
  name: string,
  env: () => Promise<Environment> | Environment,
  sentence: RegExp,
];

const tls = (): Environment => ({ KAFKA_SSL: 'true', KAFKA_SSL_CA: secured.authority.ca });

const cases: readonly Case[] = [
  [
    'a wrong password',
    () => ({ ...secured.as.plain(), KAFKA_SASL_PASSWORD: 'not-the-password' }),
    /the broker 127\.0\.0\.1:\d+ refuses the login of admin by SASL PLAIN: check KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD/,
  ],
  [
    'a wrong password with SCRAM',
    () => ({ ...secured.as.scram512(), KAFKA_SASL_PASSWORD: 'not-the-password' }),
    /refuses the login of admin by SASL SCRAM-SHA-512: check KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD/,
  ],
  [
    'a mechanism that the broker does not offer',
    () => ({ ...secured.as.plain(), KAFKA_BROKERS: secured.brokers.bootstrapOf('TOKEN') }),
    /does not offer SASL PLAIN on this port: set KAFKA_SASL_MECHANISM to one of its sasl\.enabled\.mechanisms/,
  ],
  [
    'a login on a port without one',
    () => ({ ...secured.as.plain(), KAFKA_BROKERS: secured.brokers.bootstrapOf('TLS') }),
    /expects no SASL on this port: use its SASL port, or unset KAFKA_SASL_MECHANISM/,
  ],
  [
    'no login on a port that demands one',
    () => ({ ...tls(), KAFKA_BROKERS: secured.brokers.bootstrapOf('LOGIN') }),
    /closes the connection at the first request: it may expect a login on this port \(KAFKA_SASL_MECHANISM\)/,
  ],
  [
    'a token that the broker does not accept',
    () => ({
      ...tls(),
      KAFKA_BROKERS: secured.brokers.bootstrapOf('TOKEN'),
      KAFKA_SASL_MECHANISM: 'oauthbearer',
      KAFKA_OAUTH_TOKEN: 'eyJhbGciOiJSUzI1NiJ9.e30.AAAA',
    }),
    /refuses the token .*: check its audience, scope, issuer and principal against the broker's sasl\.oauthbearer\.\* settings/,
  ],
  [
    'a token endpoint that hangs',
    async () => ({
      ...secured.as.oauth(),
      KAFKA_OAUTH_TOKEN_URL: `http://${await tlsServer(undefined)}/token`,
    }),
    /gave up after 1 s \(START_TIMEOUT\): no response yet: something accepts connections and does not respond/,
  ],
  [
    'no TLS on a TLS port',
    () => ({ KAFKA_BROKERS: secured.brokers.bootstrapOf('TLS') }),
    /closes the connection without a response: it may expect TLS on this port \(KAFKA_SSL=true\)/,
  ],
  [
    'TLS on a port without it',
    () => ({ ...tls(), KAFKA_BROKERS: secured.brokers.bootstrapOf('OPEN') }),
    /does not speak TLS on this port: use its TLS port, or set KAFKA_SSL=false/,
  ],
  [
    'the authority of another company',
    () => ({ ...secured.as.tls(), KAFKA_SSL_CA: foreign.ca }),
    /is not signed by an authority that we trust: set KAFKA_SSL_CA_FILE to the PEM of the authority that signed it/,
  ],
  [
    'no authority for a private one',
    () => ({ ...secured.as.tls(), KAFKA_SSL_CA: undefined }),
    /is not signed by an authority that we trust: set KAFKA_SSL_CA_FILE/,
  ],
  [
    'a broker certificate that has expired',
    async () => ({ ...tls(), KAFKA_BROKERS: await tlsServer(made['expired']) }),
    /the certificate of the broker 127\.0\.0\.1:\d+, or of its authority, has expired: renew it there/,
  ],
  [
    'a broker certificate that is not valid yet',
    async () => ({ ...tls(), KAFKA_BROKERS: await tlsServer(made['future']) }),
    /is not valid yet: correct the clock of this host, or wait/,
  ],
  [
    'a broker certificate for another name',
    async () => {
      const address = await tlsServer(made['elsewhere']);
      return { ...tls(), KAFKA_BROKERS: address.replace('127.0.0.1', 'localhost') };
    },
    /is for another name \(.*kafka\.example\.com.*\): address it by a name that the certificate holds/s,
  ],
  [
    'no client certificate where one is demanded',
    () => ({ ...tls(), KAFKA_BROKERS: secured.brokers.bootstrapOf('MTLS') }),
    /demands a client certificate: set KAFKA_SSL_CERT_FILE and KAFKA_SSL_KEY_FILE/,
  ],
  [
    'a client certificate of another authority',
    () => secured.as.mtls(made['foreign']),
    /refuses our client certificate: set KAFKA_SSL_CERT_FILE to one that is valid now and signed by an authority that it trusts/,
  ],
  [
    'a client certificate that has expired',
    () => secured.as.mtls(made['expired']),
    /refuses our client certificate(?: because it has expired: renew KAFKA_SSL_CERT|: set KAFKA_SSL_CERT_FILE to one that is valid now)/,
  ],
  [
    'a name that cannot be resolved',
    () => ({ KAFKA_BROKERS: 'kafka.invalid:9092' }),
    /the host name of the broker kafka\.invalid:9092 cannot be resolved here: check the name.*comes from advertised\.listeners of the brokers/,
  ],
  [
    'brokers that advertise a name which cannot be resolved here',
    () => ({ KAFKA_BROKERS: secured.brokers.bootstrapOf('UNRESOLVABLE') }),
    /the host name of the broker kafka\.invalid:\d+ cannot be resolved here: .*A name that is not in our settings comes from advertised\.listeners of the brokers/,
  ],
  [
    'a port on which nothing listens',
    async () => ({ KAFKA_BROKERS: `127.0.0.1:${await freePort()}` }),
    /nothing listens at 127\.0\.0\.1:\d+: check the address/,
  ],
  [
    'a registry URL without its path',
    () => ({ SCHEMA_REGISTRY_URL: new URL(process.env['SCHEMA_REGISTRY_URL'] ?? '').origin }),
    /is not a response of a schema registry's API: is SCHEMA_REGISTRY_URL right\?/,
  ],
  [
    'a login page in place of a registry',
    async () => ({
      SCHEMA_REGISTRY_URL: await httpServer(200, 'text/html', '<html>log in</html>'),
    }),
    /status 200, which is not a response of a schema registry's API: is SCHEMA_REGISTRY_URL right\?/,
  ],
  [
    'a redirect in place of a registry',
    async () => ({ SCHEMA_REGISTRY_URL: await httpServer(302, 'application/json', '{}') }),
    /status 302, a redirect to \/login: expected the final address in SCHEMA_REGISTRY_URL/,
  ],
  [
    'a registry that demands a login',
    async () => ({
      SCHEMA_REGISTRY_URL: await httpServer(401, 'application/json', '{"error_code":401}'),
    }),
    /status 401, it does not accept our login: check SCHEMA_REGISTRY_USERNAME and _PASSWORD/,
  ],
  [
    'a registry with a private authority',
    async () => {
      const [certified] = [await secured.authority.certify({ name: 'registry' })];
      return { SCHEMA_REGISTRY_URL: `https://${await tlsServer(certified)}` };
    },
    /the certificate of the schema registry https:\/\/127\.0\.0\.1:\d+ is not signed by an authority that we trust: set SCHEMA_REGISTRY_CA_FILE/,
  ],
];

/** Values that no message may contain. */
const secrets = [
  'not-the-password',
  'admin-secret',
  'BEGIN PRIVATE KEY',
  'eyJhbGciOiJSUzI1NiJ9.e30',
];

test.each(cases)('%s', async (name, env, sentence) => {
  const command = name.includes('registry') ? ['schemas', 'check'] : ['topics', 'plan'];
  const { code, output, messages } = await run(command, {
    ...process.env,
    START_TIMEOUT: '1s',
    ...(await env()),
  });
  expect(messages.replaceAll(/\s+/g, ' ')).toMatch(sentence);
  expect(code).toBe(1);
  expect(messages).not.toContain('    at ');
  for (const secret of secrets) expect(output).not.toContain(secret);
});

test('one of three bootstrap servers is unreachable: the others are enough', async () => {
  const brokers = `127.0.0.1:${await freePort()},${secured.brokers.bootstrapOf('OPEN')}`;
  const env = { ...process.env, TOPIC_PREFIX: 'none', KAFKA_BROKERS: brokers };
  expect((await run(['topics', 'plan'], env)).messages).toContain('create none.webhooks.raw');
});

test('a broker whose transaction log cannot be created: the processor names it in /readyz', async () => {
  const factor = { 'transaction.state.log.replication.factor': '3' };
  await using brokers = await startBrokers(() => {}, { ...openAccess, settings: () => factor });
  await using deployment = await aDeployment(1, { KAFKA_BROKERS: brokers.bootstrap });
  const bridge = await deployment.start('bridge');
  const { admin } = await deployment.start('processor');
  await post(bridge.url, aBody());
  const sentence = 'check the topic __transaction_state';
  await until(
    async () => (await (await fetch(`${admin}/readyz`)).text()).includes(sentence),
    'the sentence is in /readyz',
  );
});
