import { generateKeyPairSync } from 'node:crypto';
import { beforeAll, expect, test } from 'vitest';
import { readConfig } from '../../../src/config/read.ts';
import { type Certified, createAuthority } from '../../support/authority.ts';

let ours: Certified;
let other: Certified;
let ca: string;
beforeAll(async () => {
  const authority = await createAuthority('unit');
  ca = authority.ca;
  [ours, other] = (await Promise.all(
    ['ours', 'other'].map((name) => authority.certify({ name })),
  )) as [Certified, Certified];
});

const encryptedKey = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({
  type: 'pkcs8',
  format: 'pem',
  cipher: 'aes-256-cbc',
  passphrase: 'open sesame',
}) as string;

const oauth = {
  KAFKA_SASL_MECHANISM: 'oauthbearer',
  KAFKA_OAUTH_TOKEN_URL: 'https://idp/token',
  KAFKA_OAUTH_CLIENT_ID: 'bridge',
};

type Environment = Record<string, string>;

const problemsOf = (env: Environment): string => {
  const all = { KAFKA_BROKERS: 'kafka:9093', SCHEMA_REGISTRY_URL: 'https://registry', ...env };
  try {
    readConfig(['kafka', 'registry'], { env: all, readFile: () => '' });
    return '';
  } catch (error) {
    return (error as Error).message;
  }
};

const cases: readonly [name: string, env: () => Environment, sentence: string][] = [
  [
    'a CA without TLS',
    () => ({ KAFKA_SSL_CA: ca }),
    'KAFKA_SSL is false while a KAFKA_SSL_* certificate is set: expected KAFKA_SSL=true',
  ],
  [
    'a client certificate without its key',
    () => ({ KAFKA_SSL: 'true', KAFKA_SSL_CERT: ours.cert }),
    'KAFKA_SSL_KEY is not set: expected a client certificate together with its key',
  ],
  [
    'the key of another certificate',
    () => ({ KAFKA_SSL: 'true', KAFKA_SSL_CERT: ours.cert, KAFKA_SSL_KEY: other.key }),
    "KAFKA_SSL_KEY is not the key of KAFKA_SSL_CERT: expected the two that belong together, the client's certificate first",
  ],
  [
    'an encrypted key',
    () => ({ KAFKA_SSL: 'true', KAFKA_SSL_CERT: ours.cert, KAFKA_SSL_KEY: encryptedKey }),
    'KAFKA_SSL_KEY is encrypted: expected its pass phrase in KAFKA_SSL_KEY_PASSPHRASE',
  ],
  [
    'a wrong pass phrase',
    () => ({
      SCHEMA_REGISTRY_CERT: ours.cert,
      SCHEMA_REGISTRY_KEY: encryptedKey,
      SCHEMA_REGISTRY_KEY_PASSPHRASE: 'wrong',
    }),
    'SCHEMA_REGISTRY_KEY_PASSPHRASE does not open SCHEMA_REGISTRY_KEY: expected its pass phrase',
  ],
  [
    'credentials without a mechanism',
    () => ({ KAFKA_SASL_USERNAME: 'bridge', KAFKA_SASL_PASSWORD: 'secret' }),
    'KAFKA_SASL_MECHANISM is not set while SASL credentials are: expected the mechanism',
  ],
  [
    'a mechanism without a password',
    () => ({ KAFKA_SASL_MECHANISM: 'plain', KAFKA_SASL_USERNAME: 'bridge' }),
    'KAFKA_SASL_PASSWORD is not set: expected some text for mechanism plain',
  ],
  [
    'OAuth without a credential',
    () => oauth,
    'KAFKA_OAUTH_CLIENT_SECRET, KAFKA_OAUTH_PRIVATE_KEY and KAFKA_OAUTH_CLIENT_ASSERTION: expected exactly one for oauthbearer, found 0',
  ],
  [
    'OAuth with two credentials',
    () => ({ ...oauth, KAFKA_OAUTH_CLIENT_SECRET: 's', KAFKA_OAUTH_PRIVATE_KEY: ours.key }),
    'expected exactly one for oauthbearer, found 2',
  ],
  [
    'AWS without a region',
    () => ({ KAFKA_SASL_MECHANISM: 'oauthbearer', KAFKA_OAUTH_PROVIDER: 'aws-msk-iam' }),
    'AWS_REGION is not set: expected the region of the MSK cluster for aws-msk-iam',
  ],
  [
    'Azure without a scope',
    () => ({ KAFKA_SASL_MECHANISM: 'oauthbearer', KAFKA_OAUTH_PROVIDER: 'azure' }),
    'KAFKA_OAUTH_SCOPE is not set: expected https://<namespace>.servicebus.windows.net/.default for azure',
  ],
  [
    'a registry user without a password',
    () => ({ SCHEMA_REGISTRY_USERNAME: 'bridge' }),
    'SCHEMA_REGISTRY_PASSWORD is not set: expected both user name and password, or neither',
  ],
  [
    'two registry logins',
    () => ({
      SCHEMA_REGISTRY_USERNAME: 'bridge',
      SCHEMA_REGISTRY_PASSWORD: 's',
      SCHEMA_REGISTRY_TOKEN: 't',
    }),
    'SCHEMA_REGISTRY_USERNAME and SCHEMA_REGISTRY_TOKEN are both set: expected only one',
  ],
  [
    'a registry certificate without TLS',
    () => ({ SCHEMA_REGISTRY_URL: 'http://registry', SCHEMA_REGISTRY_CA: ca }),
    'SCHEMA_REGISTRY_URL is "http://registry": expected https://, because a certificate for it is set',
  ],
];

test.each(cases)('%s is refused at once', (_, env, sentence) => {
  expect(problemsOf(env())).toContain(sentence);
});

test.each<[string, () => Environment]>([
  ['mTLS', () => ({ KAFKA_SSL: 'true', KAFKA_SSL_CERT: ours.cert, KAFKA_SSL_KEY: ours.key })],
  ['a ready token', () => ({ KAFKA_SASL_MECHANISM: 'oauthbearer', KAFKA_OAUTH_TOKEN: 't' })],
  ['a secret', () => ({ ...oauth, KAFKA_OAUTH_CLIENT_SECRET: 's' })],
  ['gcp', () => ({ KAFKA_SASL_MECHANISM: 'oauthbearer', KAFKA_OAUTH_PROVIDER: 'gcp' })],
  ['extensions', () => ({ KAFKA_OAUTH_EXTENSIONS: 'logicalCluster=lkc-1,identityPoolId=pool-2' })],
])('%s is accepted', (_, env) => {
  expect(problemsOf(env())).toBe('');
});
