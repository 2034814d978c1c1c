/**
 * Rules between the settings of the connections: what cannot work is reported at once, not after
 * retries.
 */

import { createPrivateKey, X509Certificate } from 'node:crypto';
import type { Config, Group, KafkaConfig, RegistryConfig } from './config.ts';
import type { OauthConfig } from './connections.ts';
import { certificatesIn, isEncrypted } from './kinds.ts';
import type { Rereadable } from './rereadable.ts';

type Text = Rereadable<string> | undefined;

/** Returns every problem as a sentence; empty if there is none. */
export function connectionProblems({ kafka, registry }: Partial<Config<Group>>): readonly string[] {
  return [...(kafka ? kafkaProblems(kafka) : []), ...(registry ? registryProblems(registry) : [])];
}

function kafkaProblems(kafka: KafkaConfig): readonly string[] {
  const { ssl, sslCa, sslCert, sslKey, sslKeyPassphrase: passphrase } = kafka;
  const hasTls = Boolean(sslCa || sslCert || sslKey);
  return [
    ...(hasTls && !ssl
      ? ['KAFKA_SSL is false while a KAFKA_SSL_* certificate is set: expected KAFKA_SSL=true']
      : []),
    ...keyProblems('KAFKA_SSL', sslCert, sslKey, passphrase),
    ...saslProblems(kafka),
  ];
}

function saslProblems(kafka: KafkaConfig): readonly string[] {
  const { saslMechanism: mechanism, saslUsername, saslPassword } = kafka;
  if (mechanism === undefined) {
    const isSet = saslUsername || saslPassword || kafka.oauthTokenUrl || kafka.oauthToken;
    return isSet
      ? ['KAFKA_SASL_MECHANISM is not set while SASL credentials are: expected the mechanism']
      : [];
  }
  if (mechanism !== 'oauthbearer') {
    const missing = [
      saslUsername ? undefined : 'KAFKA_SASL_USERNAME',
      saslPassword ? undefined : 'KAFKA_SASL_PASSWORD',
    ].filter((name) => name !== undefined);
    return missing.map(
      (name) => `${name} is not set: expected some text for mechanism ${mechanism}`,
    );
  }
  switch (kafka.oauthProvider) {
    case 'oidc':
      return kafka.oauthToken ? [] : grantProblems('KAFKA_OAUTH', kafka, ' for oauthbearer');
    case 'aws-msk-iam':
      return kafka.awsRegion
        ? []
        : ['AWS_REGION is not set: expected the region of the MSK cluster for aws-msk-iam'];
    case 'azure':
      return kafka.oauthScope
        ? []
        : [
            'KAFKA_OAUTH_SCOPE is not set: expected https://<namespace>.servicebus.windows.net/.default for azure',
          ];
    case 'gcp':
      return [];
  }
}

/** Checks that a token endpoint has an id, and exactly one credential. */
function grantProblems(prefix: string, oauth: OauthConfig, purpose: string): readonly string[] {
  const { oauthTokenUrl, oauthClientId, oauthClientSecret, oauthPrivateKey, oauthAssertion } =
    oauth;
  const credentials = [oauthClientSecret, oauthPrivateKey, oauthAssertion].filter(Boolean).length;
  const missing = [
    oauthTokenUrl ? undefined : `${prefix}_TOKEN_URL`,
    oauthClientId ? undefined : `${prefix}_CLIENT_ID`,
  ].filter((name) => name !== undefined);
  return [
    ...missing.map((name) => `${name} is not set: expected a value${purpose}`),
    ...(credentials === 1
      ? []
      : [
          `${prefix}_CLIENT_SECRET, ${prefix}_PRIVATE_KEY and ${prefix}_CLIENT_ASSERTION: expected exactly one${purpose}, found ${credentials}`,
        ]),
    ...(oauthPrivateKey && isEncrypted(oauthPrivateKey.current())
      ? [`${prefix}_PRIVATE_KEY is encrypted: expected a key without a pass phrase`]
      : []),
  ];
}

function registryProblems(registry: RegistryConfig): readonly string[] {
  const { url, username, password, token, ca, cert, key, keyPassphrase, oauthTokenUrl } = registry;
  const logins = [
    username || password ? 'SCHEMA_REGISTRY_USERNAME' : undefined,
    token ? 'SCHEMA_REGISTRY_TOKEN' : undefined,
    oauthTokenUrl ? 'SCHEMA_REGISTRY_OAUTH_TOKEN_URL' : undefined,
  ].filter((name) => name !== undefined);
  const isTls = url.startsWith('https:');
  return [
    Boolean(username) === Boolean(password)
      ? undefined
      : `${username ? 'SCHEMA_REGISTRY_PASSWORD' : 'SCHEMA_REGISTRY_USERNAME'} is not set: expected both user name and password, or neither`,
    logins.length > 1 ? `${logins.join(' and ')} are both set: expected only one` : undefined,
    !isTls && (ca || cert || key)
      ? `SCHEMA_REGISTRY_URL is "${url}": expected https://, because a certificate for it is set`
      : undefined,
    ...(oauthTokenUrl ? grantProblems('SCHEMA_REGISTRY_OAUTH', registry, '') : []),
    ...keyProblems('SCHEMA_REGISTRY', cert, key, keyPassphrase),
  ].filter((problem) => problem !== undefined);
}

/** Checks that a client certificate and its key come together, can be read, and fit. */
function keyProblems(prefix: string, cert: Text, key: Text, passphrase: Text): readonly string[] {
  if (!cert && !key) return [];
  if (!cert || !key) {
    return [
      `${prefix}_${cert ? 'KEY' : 'CERT'} is not set: expected a client certificate together with its key`,
    ];
  }
  const problem = pairProblem(prefix, cert.current(), key.current(), passphrase?.current());
  return problem === undefined ? [] : [problem];
}

/** Returns why the certificate cannot be used with the key; undefined if it can. */
export function pairProblem(
  prefix: string,
  cert: string,
  key: string,
  passphrase: string | undefined,
): string | undefined {
  if (isEncrypted(key) && passphrase === undefined) {
    return `${prefix}_KEY is encrypted: expected its pass phrase in ${prefix}_KEY_PASSPHRASE`;
  }
  let privateKey: ReturnType<typeof createPrivateKey>;
  try {
    privateKey = createPrivateKey({ key, ...(passphrase === undefined ? {} : { passphrase }) });
  } catch {
    return `${prefix}_KEY_PASSPHRASE does not open ${prefix}_KEY: expected its pass phrase`;
  }
  const [own = ''] = certificatesIn(cert);
  return new X509Certificate(own).checkPrivateKey(privateKey)
    ? undefined
    : `${prefix}_KEY is not the key of ${prefix}_CERT: expected the two that belong together, the client's certificate first`;
}
