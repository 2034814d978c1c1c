/** Lists the licences of what is deployed, and refuses those that are not agreed to. */

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

type Locked = {
  readonly version: string;
  readonly license?: string;
  readonly dev?: boolean;
  readonly optional?: boolean;
};

const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8')) as {
  readonly packages: Readonly<Record<string, Locked>>;
};

/** Permissive: they ask for no more than to keep their notice. */
const allowed = [
  '0BSD',
  'Apache-2.0',
  'BlueOak-1.0.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'ISC',
  'MIT',
];

/** Packages whose package.json names none, by the LICENSE file that they ship. */
const byFile: Readonly<Record<string, string>> = { '@kafkajs/confluent-schema-registry': 'MIT' };

const rows = Object.entries(packages)
  .filter(([path, { dev }]) => path !== '' && !dev)
  .map(([path, { version, license }]) => {
    const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
    return { name, version, licence: license ?? byFile[name] ?? 'unknown' };
  });

/** Returns the packages whose licence is not on the list. An expression needs all of its parts. */
function refused(list: typeof rows): readonly string[] {
  return list
    .filter(({ licence }) =>
      licence.split(/[()\s]+(?:AND|OR)?[()\s]*/).some((one) => one && !allowed.includes(one)),
    )
    .map(({ name, licence }) => `${name}: ${licence}`);
}

test('every package that is deployed has an agreed licence', () => {
  expect(rows.length).toBeGreaterThan(50);
  expect(refused(rows)).toEqual([]);
});

test('a licence that is not on the list is refused', () => {
  const row = (licence: string) => ({ name: 'x', version: '1', licence });
  expect(refused([row('GPL-3.0'), row('(MIT OR GPL-2.0)'), row('unknown')])).toHaveLength(3);
  expect(refused([row('(MIT OR Apache-2.0)')])).toEqual([]);
});

const page = `<!-- Generated from package-lock.json. \`make docs\` renews it. -->

# Licences

The packages of the image, and the optional ones that you may add (\`PACKAGES\`, see
[connecting.md](connecting.md)). A test refuses other licences than ${allowed.join(', ')}.
\`make sbom\` writes the same list in CycloneDX.

| package | version | licence |
| --- | --- | --- |
${rows.map(({ name, version, licence }) => `| ${name} | ${version} | ${licence} |`).join('\n')}
`;

test('docs/licences.md is current', async () => {
  await expect(page).toMatchFileSnapshot('../../../docs/licences.md');
});
