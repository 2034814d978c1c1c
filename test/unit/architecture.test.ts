/**
 * Holds the architecture (docs/architecture.md): modules, layers, owners of packages, and pure
 * files.
 */

import { globSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { expect, test } from 'vitest';

/**
 * A file imports from its own module and from lower layers only: not upwards, and not from another
 * module of its layer.
 */
const layers = [
  ['main.ts'],
  ['cli'],
  ['app'],
  ['console'],
  ['bridge', 'processor', 'verify', 'inspect', 'reconcile'],
  ['membership', 'workers'],
  ['admin'],
  ['dead-letters', 'journal', 'enrichment', 'routing'],
  ['topics'],
  ['avro', 'kafka', 'voucherify'],
  ['credentials'],
  ['observability'],
  ['config'],
  ['concurrency', 'buffers', 'digest.ts', 'errors.ts', 'http.ts'],
];

/** Each of these packages is imported by the named modules only. */
const owners: Record<string, readonly string[]> = {
  kafkajs: ['kafka'],
  '@kafkajs/confluent-schema-registry': ['avro'],
  avsc: ['avro'],
  pino: ['observability'],
  '@opentelemetry/api': ['observability'],
  '@opentelemetry/sdk-node': ['observability'],
  'prom-client': ['observability'],
  zod: ['config', 'console'],
  '@modelcontextprotocol/sdk': ['console', 'app'],
  yaml: ['config'],
  'csv-parse/sync': ['inspect'],
  'csv-parse': ['reconcile'],
  'lru-cache': ['enrichment'],
  oauth4webapi: ['credentials'],
  snappy: ['kafka'],
  'lz4-napi': ['kafka'],
  'aws-msk-iam-sasl-signer-js': ['credentials'],
  '@azure/identity': ['credentials'],
  'google-auth-library': ['credentials'],
  'node:tls': ['credentials', 'kafka'],
  'node:http': ['bridge', 'admin', 'membership', 'credentials', 'verify', 'console'],
  hono: ['console'],
  '@hono/node-server': ['console'],
  'node:child_process': ['app'],
  'node:cluster': ['workers', 'app'],
};

/**
 * Pure files take values, including the time, and return values. They read no clock, no file and no
 * network.
 */
const pure = [
  'bridge/fast-path/request-parser.ts',
  'bridge/problems.ts',
  'bridge/in-flight.ts',
  'bridge/request-rules.ts',
  'digest.ts',
  'config/setting.ts',
  'config/rereadable.ts',
  'config/connections.ts',
  'config/connection-rules.ts',
  'credentials/explain.ts',
  'config/kinds.ts',
  'config/config.ts',
  'config/routes-file.ts',
  'config/senders.ts',
  'config/sources.ts',
  'config/read.ts',
  'config/table.ts',
  'dead-letters/letter.ts',
  'dead-letters/redrive.ts',
  'enrichment/benefit.ts',
  'enrichment/breaker.ts',
  'enrichment/enrich.ts',
  'journal/digest-set.ts',
  'journal/deployment-identity.ts',
  'journal/position.ts',
  'journal/replay.ts',
  'journal/state.ts',
  'journal/window.ts',
  'kafka/assignment.ts',
  'kafka/protocol/bytes.ts',
  'kafka/protocol/codecs.ts',
  'kafka/protocol/crc32c.ts',
  'kafka/protocol/record-batch-reader.ts',
  'kafka/protocol/record-batch-writer.ts',
  'kafka/protocol/murmur2.ts',
  'processor/decide.ts',
  'processor/outputs.ts',
  'routing/routes.ts',
  'topics/acls.ts',
  'kafka/permissions.ts',
  'topics/catalog.ts',
  'topics/plan.ts',
  'topics/start-checks.ts',
  'voucherify/customer.ts',
  'voucherify/json-part.ts',
  'voucherify/json-bytes.ts',
  'bridge/fast-path/json-fields.ts',
  'voucherify/personal-data.ts',
  'voucherify/publication.ts',
  'voucherify/signature.ts',
  'voucherify/voucher.ts',
  'voucherify/webhook.ts',
  'inspect/mask.ts',
  'kafka/record-position.ts',
  'inspect/reference-file.ts',
  'inspect/render-trace.ts',
  'verify/certificate.ts',
  'verify/history.ts',
  'verify/checker.ts',
  'verify/report.ts',
  'workers/restart-policy.ts',
].map((file) => `src/${file}`);

/**
 * Node's modules for pure files: of node:net only BlockList; of node:module only what loads a
 * native function.
 */
const pureModules = [
  '@node-rs/crc32',
  'lz4-napi',
  'snappy',
  'node:net',
  'node:module',
  'node:buffer',
  'node:crypto',
  'node:zlib',
  'zod',
  'yaml',
  'csv-parse/sync',
  'src/errors.ts',
];

const files = globSync('src/**/*.ts');
const moduleOf = (path: string) => path.split('/')[1] ?? '';
const layerOf = (module: string) => layers.findIndex((modules) => modules.includes(module));

const statement =
  /^(?:import|export)( type)? [^;]*?from '([^']+)'|^import '([^']+)'|(?:import|require)\(\s*'([^']+)'/gm;

const imports = files.flatMap((file) =>
  [...readFileSync(file, 'utf8').matchAll(statement)].map(([, type, ...paths]) => {
    const path = paths.find((one) => one !== undefined) ?? '';
    return {
      file,
      module: moduleOf(file),
      path: path.startsWith('.') ? posix.join(posix.dirname(file), path) : path,
      isLocal: path.startsWith('.'),
      isType: type !== undefined,
    };
  }),
);

test('the imports were found', () => {
  expect(imports.length).toBeGreaterThan(files.length);
});

test('every file belongs to a known module', () => {
  expect(files.filter((file) => layerOf(moduleOf(file)) < 0)).toEqual([]);
});

test('imports only go down', () => {
  const upward = imports.filter(
    ({ module, path, isLocal }) =>
      isLocal && moduleOf(path) !== module && layerOf(moduleOf(path)) <= layerOf(module),
  );
  expect(upward).toEqual([]);
});

test('every package has one owner', () => {
  const strangers = imports.filter(
    ({ module, path }) => !(owners[path] ?? [module]).includes(module),
  );
  expect(strangers).toEqual([]);
});

test('only one file imports kafkajs, so that the patches are applied first', () => {
  const importers = imports.filter(({ path }) => path === 'kafkajs').map(({ file }) => file);
  expect([...new Set(importers)]).toEqual(['src/kafka/kafkajs.ts']);
});

test('pure files import only pure files, and read no clock', () => {
  expect(pure.filter((file) => !files.includes(file))).toEqual([]);
  const impure = imports.filter(
    ({ file, path, isType }) =>
      pure.includes(file) && !isType && !pure.includes(path) && !pureModules.includes(path),
  );
  expect(impure).toEqual([]);
  const clocks = pure.filter((file) =>
    /Date\.now|new Date\(\)|performance\.now|Math\.random/.test(readFileSync(file, 'utf8')),
  );
  expect(clocks).toEqual([]);
});

test('the fast path has one entrance', () => {
  const inside = 'src/bridge/fast-path/';
  const entered = imports.filter(
    ({ file, path }) => path.startsWith(inside) && !file.startsWith(inside),
  );
  expect([...new Set(entered.map(({ path }) => path))]).toEqual([`${inside}fast-path.ts`]);
});

test('a package that src imports is a dependency or an optional peer, and no other package is one', () => {
  const manifest = JSON.parse(readFileSync('package.json', 'utf8'));
  const { dependencies, devDependencies, peerDependencies, peerDependenciesMeta } = manifest;
  for (const name of Object.keys(peerDependencies)) {
    expect(peerDependenciesMeta[name]).toEqual({ optional: true });
    // For the tests.
    expect(devDependencies).toHaveProperty([name]);
  }
  const packageOf = (path: string) => /^(@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? path;
  const imported = imports
    .filter(({ path, isLocal }) => !isLocal && !path.startsWith('node:'))
    .map(({ path }) => packageOf(path));
  expect([...new Set(imported)].sort()).toEqual(
    Object.keys({ ...dependencies, ...peerDependencies }).sort(),
  );
  expect(Object.keys(devDependencies).filter((name) => name in dependencies)).toEqual([]);
});

test('the environment is read in app, and only main exits', () => {
  const readers = files.filter(
    (file) => moduleOf(file) !== 'app' && readFileSync(file, 'utf8').includes('process.env'),
  );
  expect(readers).toEqual([]);
  const exits = files.filter(
    (file) => file !== 'src/main.ts' && readFileSync(file, 'utf8').includes('process.exit'),
  );
  expect(exits).toEqual([]);
});
