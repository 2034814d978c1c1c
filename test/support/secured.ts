/**
 * A broker with every kind of listener that KafkaJS can speak to, and with ACLs: what the tests of
 * logins, certificates and permissions connect to.
 */

import { pbkdf2Sync, randomBytes } from 'node:crypto';
import type { Environment } from '../../src/app/child-process.ts';
import { type Api, createCluster, type EncodeBody, request } from '../../src/kafka/cluster.ts';
import { ByteWriter } from '../../src/kafka/protocol/bytes.ts';
import { type Authority, type Certified, createAuthority } from './authority.ts';
import { startBrokers } from './cluster.ts';
import { audience, type IdentityProvider, startIdentityProvider } from './identity-provider.ts';
import { clientOf } from './prepared.ts';
import type { Access, Say } from './way.ts';

/** Users of PLAIN and SCRAM, and clients of the identity provider, by password or secret. */
const users = {
  admin: 'admin-secret',
  bridge: 'bridge s+cret%',
  processor: 'processor-secret',
  setup: 'setup-secret',
  operator: 'operator-secret',
};

type User = keyof typeof users;

type Options = {
  /** A connection must authenticate again within this time. @default never */
  readonly reauthMs?: number;
  /** Life of a token. @default 60 */
  readonly tokenSeconds?: number;
};

export type Secured = Awaited<ReturnType<typeof startSecured>>;

export async function startSecured(say: Say, options: Options = {}) {
  const authority = await createAuthority('voucherbus test authority');
  const [server, admin] = (await Promise.all(
    ['broker', 'admin'].map((name) => authority.certify({ name })),
  )) as [Certified, Certified];
  const clients = Object.entries(users).map(([id, secret]) => ({ id, secret }));
  const identityProvider = await startIdentityProvider(clients, options.tokenSeconds);
  const access = securedAccess(authority, server, identityProvider, options);
  say('starting a broker with TLS, SASL and ACLs');
  const brokers = await startBrokers(say, access);
  const open: Environment = { KAFKA_BROKERS: brokers.bootstrapOf('OPEN') };
  await setScramPasswords(open, users);
  const tls: Environment = { KAFKA_SSL: 'true', KAFKA_SSL_CA: authority.ca };
  const login = (mechanism: string, user: User): Environment => ({
    ...tls,
    KAFKA_BROKERS: brokers.bootstrapOf('LOGIN'),
    KAFKA_SASL_MECHANISM: mechanism,
    KAFKA_SASL_USERNAME: user,
    KAFKA_SASL_PASSWORD: users[user],
  });
  const mtls = ({ cert, key }: Certified): Environment => ({
    ...tls,
    KAFKA_BROKERS: brokers.bootstrapOf('MTLS'),
    KAFKA_SSL_CERT: cert,
    KAFKA_SSL_KEY: key,
  });
  const oauth = (user: User): Environment => ({
    ...tls,
    KAFKA_BROKERS: brokers.bootstrapOf('TOKEN'),
    KAFKA_SASL_MECHANISM: 'oauthbearer',
    KAFKA_OAUTH_TOKEN_URL: identityProvider.tokenUrl,
    KAFKA_OAUTH_CLIENT_ID: user,
    KAFKA_OAUTH_CLIENT_SECRET: users[user],
    KAFKA_OAUTH_SCOPE: 'events',
  });
  return {
    authority,
    identityProvider,
    brokers,
    /** The environment of a client, by how it connects. */
    as: {
      open: () => open,
      tls: (): Environment => ({ ...tls, KAFKA_BROKERS: brokers.bootstrapOf('TLS') }),
      mtls: (certified: Certified = admin) => mtls(certified),
      plain: (user: User = 'admin') => login('plain', user),
      scram256: (user: User = 'admin') => login('scram-sha-256', user),
      scram512: (user: User = 'admin') => login('scram-sha-512', user),
      oauth: (user: User = 'admin') => oauth(user),
    },
    [Symbol.asyncDispose]: async () => {
      await brokers[Symbol.asyncDispose]();
      await identityProvider[Symbol.asyncDispose]();
    },
  };
}

const security = 'org.apache.kafka.common.security';

function securedAccess(
  authority: Authority,
  server: Certified,
  provider: IdentityProvider,
  { reauthMs = 0 }: Options,
): Access {
  const passwords = Object.entries(users).map(([user, password]) => `user_${user}="${password}"`);
  return {
    listeners: {
      OPEN: 'PLAINTEXT',
      TLS: 'SSL',
      MTLS: 'SSL',
      LOGIN: 'SASL_SSL',
      TOKEN: 'SASL_SSL',
      UNRESOLVABLE: 'PLAINTEXT',
    },
    advertisedHosts: { UNRESOLVABLE: 'kafka.invalid' },
    files: {
      'broker.pem': `${server.key}${server.cert}`,
      'ca.pem': authority.ca,
      'jwks.json': provider.jwks,
    },
    settings: (directory) => ({
      'ssl.keystore.type': 'PEM',
      'ssl.keystore.location': `${directory}/broker.pem`,
      'ssl.truststore.type': 'PEM',
      'ssl.truststore.location': `${directory}/ca.pem`,
      'listener.name.mtls.ssl.client.auth': 'required',
      'listener.name.login.sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512',
      'listener.name.login.plain.sasl.jaas.config': `${security}.plain.PlainLoginModule required ${passwords.join(' ')};`,
      'listener.name.login.scram-sha-256.sasl.jaas.config': `${security}.scram.ScramLoginModule required;`,
      'listener.name.login.scram-sha-512.sasl.jaas.config': `${security}.scram.ScramLoginModule required;`,
      'listener.name.token.sasl.enabled.mechanisms': 'OAUTHBEARER',
      'listener.name.token.oauthbearer.sasl.jaas.config': `${security}.oauthbearer.OAuthBearerLoginModule required;`,
      'listener.name.token.oauthbearer.sasl.server.callback.handler.class': `${security}.oauthbearer.OAuthBearerValidatorCallbackHandler`,
      'listener.name.token.oauthbearer.sasl.oauthbearer.jwks.endpoint.url': `file://${directory}/jwks.json`,
      'listener.name.token.oauthbearer.sasl.oauthbearer.expected.audience': audience,
      'listener.name.token.oauthbearer.sasl.oauthbearer.expected.issuer': provider.issuer,
      ...(reauthMs > 0 ? { 'connections.max.reauth.ms': String(reauthMs) } : {}),
      'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
      // The brokers themselves, and the listeners without a login, come as ANONYMOUS.
      'super.users': 'User:ANONYMOUS;User:admin;User:CN=admin',
    }),
    javaOptions: (directory) => [
      `-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls=file://${directory}/jwks.json`,
      `-Dorg.apache.kafka.sasl.oauthbearer.allowed.files=${directory}/jwks.json`,
    ],
  };
}

const alterScramApi = { key: 51, version: 0, name: 'AlterUserScramCredentials' };
const iterations = 4096;

/** Sends the request of `kafka-configs --alter --add-config 'SCRAM-SHA-256=[…]'`. */
export async function setScramPasswords(
  env: Environment,
  passwords: Readonly<Record<string, string>>,
): Promise<void> {
  // Kafka refuses two mechanisms of one user in the same request.
  for (const mechanism of scramMechanisms) {
    const encode = (head: number) => encodeScramUsers(mechanism, passwords, head);
    const body = await send(env, alterScramApi, encode);
    if (/[a-z] [a-z]/.test(body.toString('latin1'))) throw new Error(body.toString('latin1'));
  }
}

/** Sends one request that KafkaJS does not have. */
async function send(env: Environment, api: Api, encode: EncodeBody): Promise<Buffer> {
  const cluster = createCluster(clientOf(env));
  await cluster.connect();
  try {
    const broker = await cluster.brokerPool.findConnectedBroker();
    return await request(broker, api, encode, 15_000);
  } finally {
    await cluster.disconnect();
  }
}

const scramMechanisms = [
  { code: 1, digest: 'sha256', bytes: 32 },
  { code: 2, digest: 'sha512', bytes: 64 },
] as const;

function encodeScramUsers(
  { code, digest, bytes }: (typeof scramMechanisms)[number],
  passwords: Readonly<Record<string, string>>,
  head: number,
): Buffer {
  const all = Object.entries(passwords);
  const writer = new ByteWriter(4_096, head)
    .int8(0) // tagged fields of the header
    .unsignedVarint(1) // no deletions
    .unsignedVarint(all.length + 1);
  for (const [user, password] of all) {
    const salt = randomBytes(16);
    const salted = pbkdf2Sync(password, salt, iterations, bytes, digest);
    writer
      .unsignedVarint(user.length + 1)
      .text(user)
      .int8(code)
      .int32(iterations)
      .unsignedVarint(salt.length + 1)
      .bytes(salt)
      .unsignedVarint(salted.length + 1)
      .bytes(salted)
      .int8(0);
  }
  writer.int8(0);
  return writer.buffer.subarray(0, writer.position);
}

const alterQuotasApi = { key: 49, version: 0, name: 'AlterClientQuotas' };

/** Sends the request of `kafka-configs --entity-type clients --entity-default`. */
export async function setDefaultQuotas(
  env: Environment,
  quotas: Readonly<Record<string, number>>,
): Promise<void> {
  const encode = (head: number) => {
    const writer = new ByteWriter(512, head).int32(1).int32(1).string('client-id').int16(-1);
    writer.int32(Object.keys(quotas).length);
    for (const [name, value] of Object.entries(quotas)) {
      const bytes = Buffer.alloc(8);
      bytes.writeDoubleBE(value);
      writer.string(name).bytes(bytes).int8(0);
    }
    writer.int8(0); // not only validated
    return writer.buffer.subarray(0, writer.position);
  };
  const body = await send(env, alterQuotasApi, encode);
  const errorCode = body.readInt16BE(4 + 4);
  if (errorCode !== 0) throw new Error(`AlterClientQuotas failed with error code ${errorCode}`);
}
