import { existsSync, globSync } from 'node:fs';
import { expect, test } from 'vitest';
import { patches } from '../../../src/kafka/kafkajs-patches/patches.ts';

const folder = 'src/kafka/kafkajs-patches';
const tests = 'test/unit/kafka/kafkajs-patches';

const sections = patches.map(({ module, file, faults }) => {
  const rows = faults.map(
    ({ fault, upstream, kind, test: name }) => `| ${fault} | ${upstream} | ${kind} | ${name} |`,
  );
  return [
    `## ${module}`,
    '',
    `[${file}](../${folder}/${file})`,
    '',
    '| fault of KafkaJS 2.2.4 | upstream | kind | test |',
    '|---|---|---|---|',
    ...rows,
  ].join('\n');
});

const page = `<!-- Generated from src/kafka/kafkajs-patches/patches.ts. \`make docs\` renews it. -->

# Patches of KafkaJS

KafkaJS 2.2.4 is no longer maintained. voucherbus patches the modules below at run time, before
KafkaJS's first line runs, and refuses to start with any other version. [ADR 1](adr/0001-kafkajs-with-patches.md)
says why. Paths are relative to the package \`kafkajs\`; tests are in \`${tests}\`.

A correctness fault loses, repeats or misreads data. An availability fault makes an outage longer than
the broker's own. Each test fails without its patch.

${sections.join('\n\n')}
`;

test('docs/kafkajs-patches.md is current', async () => {
  await expect(page).toMatchFileSnapshot('../../../docs/kafkajs-patches.md');
});

test('every patch has its file, and every test exists', () => {
  const named = patches.flatMap(({ faults }) =>
    faults.flatMap(({ test: name }) => name.split(', ')),
  );
  const missing = named
    .map((name) => (name.includes('/') ? name : `${tests}/${name}`))
    .filter((path) => !existsSync(path));
  expect(missing).toEqual([]);
  expect(patches.filter(({ file }) => !existsSync(`${folder}/${file}`))).toEqual([]);
  const helpers = [
    'explain-failure',
    'internals',
    'modules',
    'patches',
    'response-assembler',
    'silent-brokers',
  ];
  const others = globSync(`${folder}/*.ts`)
    .map((path) => path.slice(folder.length + 1))
    .filter((file) => !patches.some((patch) => patch.file === file));
  expect(others.sort()).toEqual([...helpers, 'timeouts'].map((name) => `${name}.ts`).sort());
});
