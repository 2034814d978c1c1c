/** The house's rules (src/README.md): rooms, floors, owners of packages, and which files are pure. */

import { globSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { expect, test } from 'vitest';

/** A file may import from its own room and from the floors below. Never up, never next door. */
const floors = [
  ['main.ts'],
  ['cli'],
  ['app'],
  ['bridge', 'processor', 'verify', 'inspect'],
  ['membership', 'workers'],
  ['admin'],
  ['dead-letters', 'journal', 'enrichment', 'routing'],
  ['topics'],
  ['avro', 'kafka', 'voucherify'],
  ['observability'],
  ['config'],
  ['digest.ts', 'errors.ts', 'http.ts'],
];

/** Each package is spoken to from one room only. */
const owners: Record<string, readonly string[]> = {
  kafkajs: ['kafka'],
  '@kafkajs/confluent-schema-registry': ['avro'],
  avsc: ['avro'],
  pino: ['observability'],
  'prom-client': ['observability'],
  zod: ['config'],
  yaml: ['config'],
  'csv-parse/sync': ['inspect'],
  'lru-cache': ['enrichment'],
  'node:http': ['bridge', 'admin', 'membership'],
  'node:child_process': ['app'],
  'node:cluster': ['workers', 'app'],
};

/** They take values, the time included, and return values: nothing in them reads a clock, a file or the network. */
const pure = [
  'bridge/fast-path/request-parser.ts',
  'bridge/problems.ts',
  'bridge/in-flight.ts',
  'bridge/request-rules.ts',
  'digest.ts',
  'config/setting.ts',
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
  'kafka/protocol/crc32c.ts',
  'kafka/protocol/record-batch-reader.ts',
  'kafka/protocol/record-batch-writer.ts',
  'kafka/protocol/murmur2.ts',
  'processor/decide.ts',
  'processor/outputs.ts',
  'routing/routes.ts',
  'topics/catalog.ts',
  'topics/plan.ts',
  'topics/start-checks.ts',
  'voucherify/customer.ts',
  'voucherify/hmac.ts',
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
  'verify/history.ts',
  'verify/checker.ts',
  'verify/report.ts',
  'workers/restart-policy.ts',
].map((file) => `src/${file}`);

/** Of node:net only its lists of addresses are used so, of node:module only what finds a compiled function. */
const pureModules = [
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
const roomOf = (path: string) => path.split('/')[1] ?? '';
const floorOf = (room: string) => floors.findIndex((rooms) => rooms.includes(room));

const statement =
  /^(?:import|export)( type)? [^;]*?from '([^']+)'|^import '([^']+)'|import\('([^']+)'\)/gm;

const imports = files.flatMap((file) =>
  [...readFileSync(file, 'utf8').matchAll(statement)].map(([, type, ...paths]) => {
    const path = paths.find((one) => one !== undefined) ?? '';
    return {
      file,
      room: roomOf(file),
      path: path.startsWith('.') ? posix.join(posix.dirname(file), path) : path,
      isLocal: path.startsWith('.'),
      isType: type !== undefined,
    };
  }),
);

test('the imports were found', () => {
  expect(imports.length).toBeGreaterThan(files.length);
});

test('every file lives in a known room', () => {
  expect(files.filter((file) => floorOf(roomOf(file)) < 0)).toEqual([]);
});

test('imports only go down', () => {
  const upward = imports.filter(
    ({ room, path, isLocal }) =>
      isLocal && roomOf(path) !== room && floorOf(roomOf(path)) <= floorOf(room),
  );
  expect(upward).toEqual([]);
});

test('every package has one owner', () => {
  const trespassing = imports.filter(({ room, path }) => !(owners[path] ?? [room]).includes(room));
  expect(trespassing).toEqual([]);
});

test('only one file imports kafkajs, so that the repairs come first', () => {
  const doors = imports.filter(({ path }) => path === 'kafkajs').map(({ file }) => file);
  expect([...new Set(doors)]).toEqual(['src/kafka/kafkajs.ts']);
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

test('the environment is read in app, and only main exits', () => {
  const readers = files.filter(
    (file) => roomOf(file) !== 'app' && readFileSync(file, 'utf8').includes('process.env'),
  );
  expect(readers).toEqual([]);
  const exits = files.filter(
    (file) => file !== 'src/main.ts' && readFileSync(file, 'utf8').includes('process.exit'),
  );
  expect(exits).toEqual([]);
});
