/** Holds the language rules of CONTRIBUTING.md over every comment, string and page. */

import { globSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { findingsInPage, findingsInSource } from '../support/prose.ts';

const exempt = ['test/support/prose.ts', 'test/unit/prose.test.ts'];
const sources = globSync('{src,test,bench}/**/*.ts').filter((file) => !exempt.includes(file));
const pages = globSync('**/*.md', { exclude: ['node_modules/**', '.cache/**', 'bench/peers/**'] });
const others = globSync(
  '{schemas/*.*,.ci/run,.ci/*.sh,Makefile,Dockerfile,docker-compose.yml}',
).filter((file) => !file.endsWith('.md'));

const listOf = (file: string, findings: ReturnType<typeof findingsInPage>) =>
  findings.map(({ line, problem }) => `${file}:${line}: ${problem}`);

test('comments and strings keep the language rules', () => {
  const found = sources.flatMap((file) =>
    listOf(file, findingsInSource(readFileSync(file, 'utf8'))),
  );
  expect(found).toEqual([]);
});

test('pages keep the language rules', () => {
  const found = pages.flatMap((file) => listOf(file, findingsInPage(readFileSync(file, 'utf8'))));
  expect(found).toEqual([]);
});

test('schemas and scripts keep the vocabulary', () => {
  const found = others.flatMap((file) =>
    listOf(file, findingsInPage(readFileSync(file, 'utf8'))).filter(
      (one) => !one.includes('wider'),
    ),
  );
  expect(found).toEqual([]);
});

test.each([
  ['/** Whoever has been sending its body for longest makes room. */', 'name the actor'],
  ['/** What became of a raw record. */', 'what happened to'],
  ['/** Of the last heartbeat. */', 'begin with a verb'],
  ["const text = 'the file can not be read';", 'cannot'],
  [`// ${'wide '.repeat(25)}`, 'wider than 100'],
  ['/**\n * Tells the neighbours. */', 'peer'],
])('a planted sentence is found: %s', (text, problem) => {
  expect(
    findingsInSource(text)
      .map((one) => one.problem)
      .join(),
  ).toContain(problem);
});

test.each([
  ['The memory is given back when it is done with.', 'release'],
  [`A ${'wide '.repeat(25)} paragraph`, 'wider than 100'],
])('a planted sentence in a page is found: %s', (text, problem) => {
  expect(
    findingsInPage(text)
      .map((one) => one.problem)
      .join(),
  ).toContain(problem);
});
