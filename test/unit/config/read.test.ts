import { generateKeyPairSync } from 'node:crypto';
import { expect, test } from 'vitest';
import { readConfig } from '../../../src/config/read.ts';
import { signingKey, sourcesOf } from '../../../src/config/sources.ts';

const required = {
  KAFKA_BROKERS: 'kafka-1:9092, kafka-2:9092',
  SCHEMA_REGISTRY_URL: 'http://registry:8081/',
  WEBHOOK_SECRETS: 'old:abc,new:x:y',
};

const read = (env: Record<string, string>, files: Record<string, string> = {}) =>
  readConfig(['kafka', 'registry', 'topics', 'webhook', 'bridge'], {
    env,
    readFile: (path) => {
      const text = files[path];
      if (text === undefined) throw new Error('no such file');
      return text;
    },
  });

const problemsOf = (env: Record<string, string>, files?: Record<string, string>): string => {
  try {
    read(env, files);
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error('expected the configuration to be refused');
};

test('defaults and units are read as numbers', () => {
  const config = read(required);
  expect(config.kafka.brokers).toEqual(['kafka-1:9092', 'kafka-2:9092']);
  expect(config.registry.url).toBe('http://registry:8081');
  expect(config.topics.dedupWindowMs).toBe(15 * 86_400_000);
  expect(config.bridge.maxBodyBytes).toBe(1024 * 1024);
  expect(config.bridge.responseTimeoutMs).toBe(7_000);
  expect(config.topics.replicationFactor).toBeUndefined();
});

test('secrets have given or generated names, and may contain colons', () => {
  expect(read(required).webhook.secrets).toEqual([
    { source: undefined, name: 'old', key: 'abc' },
    { source: undefined, name: 'new', key: 'x:y' },
  ]);
  expect(read({ ...required, WEBHOOK_SECRETS: 's1,s2' }).webhook.secrets).toEqual([
    { source: undefined, name: 'default', key: 's1' },
    { source: undefined, name: 'default-2', key: 's2' },
  ]);
});

test('secrets belong to their source, else to the default one', () => {
  const { webhook } = read({ ...required, WEBHOOK_SECRETS: 'a:1,shop/a:2:3,shop/b:4' });
  expect(sourcesOf(webhook)).toEqual(
    new Map([
      ['voucherify', [{ name: 'a', key: '1' }]],
      [
        'shop',
        [
          { name: 'a', key: '2:3' },
          { name: 'b', key: '4' },
        ],
      ],
    ]),
  );
  expect(signingKey('https://x/webhooks/shop', webhook)).toBe('2:3');
  expect(() => signingKey('https://x/webhooks/other', webhook)).toThrow(
    'names the source "other": expected /webhooks/<source> with one that has a secret (voucherify, shop)',
  );
});

test.each([
  ['eu1', '63.32.191.141', true],
  ['eu1', '100.25.106.67', false],
  ['eu1,us1', '100.25.106.67', true],
  ['192.0.2.1, 2001:db8::/32', '192.0.2.1', true],
  ['192.0.2.1, 2001:db8::/32', '2001:db8:1::9', true],
  ['10.0.0.0/8', '11.0.0.1', false],
  ['0.0.0.0/0', '11.0.0.1', true],
  ['eu1', 'not an address', false],
])('senders %s: %s is allowed: %s', (text, address, isAllowed) => {
  expect(read({ ...required, ALLOWED_SENDERS: text }).bridge.allowedSenders?.has(address)).toBe(
    isAllowed,
  );
});

test.each(['eu2', '10.0.0.0/33', '1.2.3.4/', '1.2.3.4/8/8', '1.2.3', ','])(
  'senders %s are none',
  (text) => {
    expect(problemsOf({ ...required, ALLOWED_SENDERS: text })).toContain(
      'expected one or more of eu1, us1, as1 (regions of Voucherify), addresses, and subnets such as 10.0.0.0/8, separated by commas',
    );
  },
);

test('every problem is reported at once, with the value and what was expected', () => {
  const text = problemsOf({
    SCHEMA_REGISTRY_URL: 'registry',
    WEBHOOK_SECRETS: 'a:1,a:2',
    BATCH_MAX_BYTES: '1mb',
    DEDUP_WINDOW: '15',
    BRIDGE_PORT: '80808',
  });
  expect(text.split('\n')).toEqual([
    'The configuration has 6 problems:',
    '  KAFKA_BROKERS is not set: expected host:port, or several separated by commas',
    '  SCHEMA_REGISTRY_URL is "registry": expected an http:// or https:// URL without user and password in it',
    '  DEDUP_WINDOW is "15": expected a duration from 1m to 365d, such as 500ms, 10s, 5m, 1h or 15d',
    '  WEBHOOK_SECRETS is set: expected one or more secrets separated by commas or line ends, each as source/name:secret, name:secret or plain, without quotes around them, with names distinct in their source',
    '  BRIDGE_PORT is "80808": expected an integer from 0 to 65535',
    '  BATCH_MAX_BYTES is "1mb": expected a size from 1KiB to 1MiB, such as 1048576, 512KiB or 1MiB',
  ]);
});

test('a secret is never part of a message', () => {
  expect(problemsOf({ ...required, WEBHOOK_SECRETS: 'dup:s3cr3t,dup:s3cr3t' })).not.toContain(
    's3cr3t',
  );
});

test('SPOOL_AFTER must be shorter than RESPONSE_TIMEOUT', () => {
  const env = { ...required, SPOOL_AFTER: '3s', RESPONSE_TIMEOUT: '3s' };
  expect(problemsOf({ ...env, SPOOL_DIR: '/spool' })).toContain(
    'SPOOL_AFTER is 3000 ms: expected less than RESPONSE_TIMEOUT (3000 ms)',
  );
  expect(read(env).bridge.spoolAfterMs).toBe(3_000);
});

test('X_FILE names a file that holds X', () => {
  const { WEBHOOK_SECRETS: _, ...rest } = required;
  const env = { ...rest, WEBHOOK_SECRETS_FILE: '/run/secrets/webhook' };
  const config = read(env, { '/run/secrets/webhook': 'prod:from-a-file\n' });
  expect(config.webhook.secrets).toEqual([{ source: undefined, name: 'prod', key: 'from-a-file' }]);
  expect(problemsOf(env)).toContain(
    'WEBHOOK_SECRETS_FILE is "/run/secrets/webhook": expected a readable file',
  );
  expect(problemsOf({ ...env, WEBHOOK_SECRETS: 'x' }, { '/run/secrets/webhook': 'y' })).toContain(
    'both set',
  );
});

test('an empty variable counts as absent', () => {
  expect(read({ ...required, BRIDGE_PORT: '' }).bridge.port).toBe(8080);
});

test('settings that contradict each other are refused', () => {
  expect(problemsOf({ ...required, RAW_RETENTION: '15d' })).toContain(
    'expected less than DEDUP_WINDOW',
  );
  expect(problemsOf({ ...required, KAFKA_SASL_MECHANISM: 'plain' })).toContain(
    'KAFKA_SASL_USERNAME is not set',
  );
  expect(problemsOf({ ...required, KAFKA_SASL_MECHANISM: 'oauthbearer' })).toContain(
    'KAFKA_OAUTH_TOKEN_URL',
  );
});

test('secrets may be one per line, as in a mounted file', () => {
  const { secrets } = read({ ...required, WEBHOOK_SECRETS: 'old:abc\nnew:def\r\n' }).webhook;
  expect(secrets.map(({ name, key }) => [name, key])).toEqual([
    ['old', 'abc'],
    ['new', 'def'],
  ]);
});

test.each(['"old:abc,new:def"', "'abc'", 'old:"abc"', "old:'abc'"])(
  'quotes that somebody left around a secret are refused: %s',
  (WEBHOOK_SECRETS) => {
    expect(problemsOf({ ...required, WEBHOOK_SECRETS })).toContain('without quotes around them');
  },
);

test.each(['SCHEMA_REGISTRY_URL', 'KAFKA_OAUTH_TOKEN_URL'])(
  'user and password in %s are refused, and not shown',
  (name) => {
    const said = problemsOf({ ...required, [name]: 'https://ann:s3cret@registry:8081' });
    expect(said).toContain(`${name} is "https://…@registry:8081": expected an http:// or https://`);
    expect(said).not.toContain('s3cret');
  },
);

test('an address that Kubernetes set as our setting is recognised', () => {
  const said = problemsOf({ ...required, BRIDGE_PORT: 'tcp://10.3.240.10:8080' });
  expect(said).toContain('BRIDGE_PORT is "tcp://10.3.240.10:8080"');
  expect(said).toContain('enableServiceLinks: false');
});

const key = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' });
const noCertificate = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----';

test.each([
  ['KAFKA_SSL_CA', '/etc/ssl/ca.pem', 'with _FILE at its end'],
  ['KAFKA_SSL_CA', 'MIIB', 'found no "-----BEGIN'],
  ['KAFKA_SSL_CA', noCertificate.replaceAll('\n', '\\n'), 'a backslash and n'],
  ['KAFKA_SSL_CA', noCertificate, 'cannot be read'],
  ['KAFKA_SSL_CERT', String(key), 'found a private key'],
  ['KAFKA_SSL_KEY', noCertificate, 'found a certificate'],
  ['SCHEMA_REGISTRY_CA', 'nonsense', 'found no "-----BEGIN'],
])('%s that is no PEM of its kind is refused with what it is: %j', (name, value, text) => {
  expect(problemsOf({ ...required, [name]: value })).toContain(text);
});

test('a key is never shown', () => {
  const said = problemsOf({ ...required, KAFKA_SSL_KEY: 'my-private-key' });
  expect(said).toContain('KAFKA_SSL_KEY is set: expected a PEM of a private key');
  expect(said).not.toContain('my-private-key');
});

test('a PEM in base64, as a Secret shows it, is recognised', () => {
  const encoded = Buffer.from(noCertificate).toString('base64');
  expect(problemsOf({ ...required, KAFKA_SSL_CA: encoded })).toContain('it is in base64');
});

test('a value in a file is read again; a file that cannot be used keeps the last value', () => {
  const files: Record<string, string> = { '/password': 'first' };
  const env = {
    ...required,
    KAFKA_SASL_MECHANISM: 'plain',
    KAFKA_SASL_USERNAME: 'bridge',
    KAFKA_SASL_PASSWORD_FILE: '/password',
  };
  const { saslPassword, saslUsername } = read(env, files).kafka;
  files['/password'] = 'second';
  expect(saslPassword?.current()).toBe('second');
  delete files['/password'];
  expect(saslPassword?.current()).toBe('second');
  expect(saslPassword?.problem).toContain('KAFKA_SASL_PASSWORD_FILE is "/password"');
  files['/password'] = ' ';
  expect(saslPassword?.current()).toBe('second');
  expect(saslPassword?.problem).toContain('is empty now');
  files['/password'] = 'third';
  expect(saslPassword?.current()).toBe('third');
  expect(saslPassword?.problem).toBeUndefined();
  expect([saslPassword?.isFile, saslUsername?.isFile]).toEqual([true, false]);
});
