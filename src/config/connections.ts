/** Declares the settings of the connections to Kafka and to the schema registry. */

import * as kind from './kinds.ts';
import { setting, type Values } from './setting.ts';

const optional = { optional: true } as const;
/** A file is read again at each new connection, so that a rotation needs no restart. */
const reread = { optional: true, reread: true } as const;
const secret = { optional: true, reread: true, secret: true } as const;

/** The OAuth settings of one connection, under a common prefix. */
function oauthSettings(prefix: string) {
  return {
    oauthTokenUrl: setting(`${prefix}_TOKEN_URL`, kind.httpUrl(), 'OAuth token endpoint', optional),
    oauthClientId: setting(`${prefix}_CLIENT_ID`, kind.text(), 'OAuth client id', optional),
    oauthClientSecret: setting(
      `${prefix}_CLIENT_SECRET`,
      kind.text(),
      'OAuth client secret',
      secret,
    ),
    oauthPrivateKey: setting(
      `${prefix}_PRIVATE_KEY`,
      kind.pem('PRIVATE KEY'),
      'PEM of the key that signs the client assertion (`private_key_jwt`), in place of a secret',
      secret,
    ),
    oauthKeyId: setting(`${prefix}_KEY_ID`, kind.text(), 'Key id (`kid`) of that key', optional),
    oauthAssertion: setting(
      `${prefix}_CLIENT_ASSERTION`,
      kind.text(),
      'A signed client assertion in place of a secret, usually as `_FILE`: the projected token of a Kubernetes service account',
      secret,
    ),
    oauthScope: setting(
      `${prefix}_SCOPE`,
      kind.text(),
      'Scope; Entra ID and Okta need one',
      optional,
    ),
    oauthAudience: setting(
      `${prefix}_AUDIENCE`,
      kind.text(),
      'Audience; Auth0 needs one',
      optional,
    ),
    oauthCa: setting(
      `${prefix}_CA`,
      kind.pem('CERTIFICATE'),
      "PEM of the token endpoint's certificate authority",
      reread,
    ),
  };
}

export type OauthConfig = Values<ReturnType<typeof oauthSettings>>;

export const kafka = {
  brokers: setting('KAFKA_BROKERS', kind.hosts(), 'Kafka bootstrap servers'),
  clientId: setting('KAFKA_CLIENT_ID', kind.kafkaName(), 'Client id shown in broker logs', {
    default: 'voucherbus',
  }),
  ssl: setting('KAFKA_SSL', kind.flag(), 'Connect with TLS', { default: 'false' }),
  sslCa: setting(
    'KAFKA_SSL_CA',
    kind.pem('CERTIFICATE'),
    'PEM of the certificate authority',
    reread,
  ),
  sslCert: setting(
    'KAFKA_SSL_CERT',
    kind.pem('CERTIFICATE'),
    'PEM of the client certificate (mTLS)',
    reread,
  ),
  sslKey: setting('KAFKA_SSL_KEY', kind.pem('PRIVATE KEY'), 'PEM of the client key (mTLS)', secret),
  sslKeyPassphrase: setting(
    'KAFKA_SSL_KEY_PASSPHRASE',
    kind.text(),
    'Pass phrase of an encrypted KAFKA_SSL_KEY',
    secret,
  ),
  saslMechanism: setting(
    'KAFKA_SASL_MECHANISM',
    kind.oneOf('plain', 'scram-sha-256', 'scram-sha-512', 'oauthbearer'),
    'SASL mechanism; without it, no authentication',
    optional,
  ),
  saslUsername: setting('KAFKA_SASL_USERNAME', kind.text(), 'For plain and scram-*', reread),
  saslPassword: setting('KAFKA_SASL_PASSWORD', kind.text(), 'For plain and scram-*', secret),
  oauthProvider: setting(
    'KAFKA_OAUTH_PROVIDER',
    kind.oneOf('oidc', 'aws-msk-iam', 'azure', 'gcp'),
    'Source of the tokens of oauthbearer',
    { default: 'oidc' },
  ),
  oauthToken: setting(
    'KAFKA_OAUTH_TOKEN',
    kind.text(),
    'A ready access token, usually as `_FILE` that something else renews, in place of a token endpoint',
    secret,
  ),
  oauthExtensions: setting(
    'KAFKA_OAUTH_EXTENSIONS',
    kind.pairs(),
    'SASL extensions as `name=value,…`; Confluent Cloud needs `logicalCluster` and `identityPoolId`',
    optional,
  ),
  awsRegion: setting(
    'AWS_REGION',
    kind.text(),
    'Region of the MSK cluster (aws-msk-iam)',
    optional,
  ),
  ...oauthSettings('KAFKA_OAUTH'),
};

export const registry = {
  url: setting(
    'SCHEMA_REGISTRY_URL',
    kind.httpUrl(),
    'Schema registry (Confluent API; for Apicurio end it with /apis/ccompat/v7)',
  ),
  username: setting('SCHEMA_REGISTRY_USERNAME', kind.text(), 'HTTP basic authentication', reread),
  password: setting('SCHEMA_REGISTRY_PASSWORD', kind.text(), 'HTTP basic authentication', secret),
  token: setting('SCHEMA_REGISTRY_TOKEN', kind.text(), 'Bearer token', secret),
  headers: setting(
    'SCHEMA_REGISTRY_HEADERS',
    kind.pairs(),
    'Further request headers as `name=value,…`; Confluent Cloud needs `target-sr-cluster` with OAuth',
    optional,
  ),
  ca: setting(
    'SCHEMA_REGISTRY_CA',
    kind.pem('CERTIFICATE'),
    'PEM of the certificate authority',
    reread,
  ),
  cert: setting(
    'SCHEMA_REGISTRY_CERT',
    kind.pem('CERTIFICATE'),
    'PEM of the client certificate (mTLS)',
    reread,
  ),
  key: setting(
    'SCHEMA_REGISTRY_KEY',
    kind.pem('PRIVATE KEY'),
    'PEM of the client key (mTLS)',
    secret,
  ),
  keyPassphrase: setting(
    'SCHEMA_REGISTRY_KEY_PASSPHRASE',
    kind.text(),
    'Pass phrase of an encrypted SCHEMA_REGISTRY_KEY',
    secret,
  ),
  ...oauthSettings('SCHEMA_REGISTRY_OAUTH'),
};
