/**
 * Checks the Markdown pages: links lead somewhere, and every command is run by a test or by CI, or
 * is marked as an example.
 */

import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';

const pages = globSync('**/*.md', { exclude: ['node_modules/**', '.cache/**', 'bench/peers/**'] });
const textOf = (page: string) => readFileSync(page, 'utf8');

/** Returns GitHub's anchors of a page's headings. */
function anchorsOf(text: string): readonly string[] {
  return [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\- ]/gu, '')
      .replaceAll(' ', '-'),
  );
}

function linksOf(text: string): readonly string[] {
  const prose = text.replaceAll(/^```[\s\S]*?^```/gm, '');
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = '']) => link);
}

/** Returns the links of a page that lead nowhere in this repository. */
function brokenLinks(page: string, text: string): readonly string[] {
  return linksOf(text)
    .filter((link) => !/^https?:/.test(link))
    .filter((link) => {
      const [path = '', anchor] = link.split('#');
      const target = path === '' ? page : join(dirname(page), path);
      if (!existsSync(target)) return true;
      return anchor !== undefined && !anchorsOf(textOf(target)).includes(anchor);
    });
}

test.each(pages)('%s has no broken link', (page) => {
  expect(brokenLinks(page, textOf(page))).toEqual([]);
});

test('a broken link and a broken anchor are found', () => {
  const text = '[a](nowhere.md) [b](docs/operating.md#nothing) [c](docs/operating.md#scale)';
  expect(brokenLinks('README.md', text)).toEqual(['nowhere.md', 'docs/operating.md#nothing']);
});

const ci = globSync('.ci/*', { withFileTypes: true })
  .filter((file) => file.isFile())
  .map((file) => textOf(join(file.parentPath, file.name)))
  .join('\n');
const tests = globSync('test/{integration,failure,stack}/**/*.ts').map(textOf).join('\n');

/** Returns whether a test or CI runs the command, or its sub-command. */
function isRun(command: string): boolean {
  const [program, ...words] = command.split(/\s+/);
  if (program !== 'voucherbus') return ci.includes(command);
  const verb = words.filter((word) => /^[a-z-]+$/.test(word) && !word.startsWith('-'));
  const [name = '', sub] = verb;
  const helpers = new RegExp(`'${name}', \\.\\.\\.args`).test(tests);
  return sub === undefined
    ? tests.includes(`['${name}'`) || tests.includes(`('${name}'`) || helpers
    : tests.includes(`'${name}', '${sub}'`) || (helpers && tests.includes(`'${sub}'`));
}

const commands = pages.flatMap((page) =>
  [...textOf(page).matchAll(/^```sh\n([\s\S]*?)^```/gm)].flatMap(([, block = '']) =>
    block
      .split('\n')
      .filter((line) => line !== '')
      .map((command) => [page, command] as const),
  ),
);

test('the pages have commands', () => {
  expect(commands.length).toBeGreaterThan(10);
});

test.each(commands)('%s: a test or CI runs `%s`', (_, command) => {
  expect(isRun(command)).toBe(true);
});

test('a command that nothing runs is found', () => {
  expect(isRun('voucherbus teleport')).toBe(false);
  expect(isRun('voucherbus routes explain FILE')).toBe(false);
  expect(isRun('make everything')).toBe(false);
});

test('every code block says what it is: run, an example, or a picture', () => {
  const unmarked = pages.flatMap((page) =>
    [...textOf(page).matchAll(/^```(\S+)(.*)\n[\s\S]*?^```/gm)]
      .filter(([, language, mark]) => language !== 'sh' && mark !== ' example')
      .map(([block]) => `${page}: ${block.split('\n', 1)[0]}`),
  );
  expect(unmarked).toEqual([]);
});
