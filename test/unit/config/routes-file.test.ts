import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { readRoutes, routesJsonSchema, suffixesOf } from '../../../src/config/routes-file.ts';

const problemsOf = (text: string) => {
  const read = readRoutes(text);
  return read.kind === 'invalid' ? read.problems : [];
};

test('a file is read, with its defaults', () => {
  const read = readRoutes(`
match: first
routes:
  - name: gifts
    when: { campaign.type: GIFT_VOUCHERS }
    to: [gift-vouchers, finance]
default: other
`);
  expect(read).toEqual({
    kind: 'valid',
    file: {
      match: 'first',
      routes: [
        {
          name: 'gifts',
          when: { 'campaign.type': 'GIFT_VOUCHERS' },
          to: ['gift-vouchers', 'finance'],
          key: 'publication',
          explode: false,
        },
      ],
      default: 'other',
    },
  });
  if (read.kind === 'valid')
    expect(suffixesOf(read.file)).toEqual(['gift-vouchers', 'finance', 'other']);
});

test('every problem is reported with its line', () => {
  const problems = problemsOf(`match: some
routes:
  - name: Gifts
    when:
      campaign.kind: X
      channel: { like: a }
    to: Topic Name
  - name: second
    to: journal
    key: sku
`);
  const place = (line: number, where: string) =>
    expect.stringMatching(`^line ${line}: ${where}: expected `);
  expect(problems).toEqual([
    place(1, 'match'),
    place(3, 'routes.0.name'),
    expect.stringMatching(/^line 5: routes.0.when.campaign.kind: /),
    place(6, 'routes.0.when.channel'),
    place(7, 'routes.0.to'),
    place(9, 'routes.1.to'),
    place(10, 'routes.1.key'),
    place(1, 'default'),
  ]);
});

test('two routes of one name, an unknown word, and what is no YAML', () => {
  expect(
    problemsOf('match: all\nroutes:\n  - {name: a, to: x}\n  - {name: a, to: y}\ndefault: park'),
  ).toEqual(['line 3: routes: expected a different name for each route']);
  expect(problemsOf('match: all\nroutes: []\ndefault: park\nelse: x')[0]).toMatch(
    /^line 1: the file: .*else/,
  );
  expect(problemsOf('match: all\nroutes: [')[0]).toMatch(/^line 2: /);
});

test('the JSON Schema for editors is the one that is checked in (`voucherbus routes schema`)', () => {
  const file = new URL('../../../schemas/routes.schema.json', import.meta.url);
  expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual(
    JSON.parse(JSON.stringify(routesJsonSchema())),
  );
});

test('numbers are compared as they are written', () => {
  const read = readRoutes(`
match: first
routes:
  - name: shops
    when: { metadata.shop: 01234, metadata.version: [1.10, 2], campaign.metadata.big: { not: 1e21 } }
    to: shops
default: other
`);
  expect('file' in read && read.file.routes[0]?.when).toEqual({
    'metadata.shop': '01234',
    'metadata.version': ['1.10', 2],
    'campaign.metadata.big': { not: '1e21' },
  });
});
