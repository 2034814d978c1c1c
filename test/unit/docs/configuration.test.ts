import { expect, test } from 'vitest';
import { allSettings } from '../../../src/config/config.ts';
import { configTable } from '../../../src/config/table.ts';

const page = `<!-- Generated from src/config/config.ts. \`make docs\` renews it. -->

# Configuration

Every setting is an environment variable. \`voucherbus config\` prints this table. At start, a
command reports all problems of its settings at once, and exits with code 2.

A value \`X\` may also be given as \`X_FILE\`, the path of a file that holds it. Use this for secrets
and PEMs. \`WEBHOOK_SECRETS_FILE\` and \`ROUTES_FILE\` are read again when they change; certificates,
keys, passwords and tokens at each new connection ([connecting](connecting.md)).

Durations are a number with a unit (\`500ms\`, \`10s\`, \`15m\`, \`2h\`, \`14d\`), sizes likewise
(\`512KiB\`, \`64MiB\`, \`1GiB\`).

${configTable()}
`;

test('docs/configuration.md is current', async () => {
  await expect(page).toMatchFileSnapshot('../../../docs/configuration.md');
});

test('no two settings share a variable', () => {
  const names = allSettings().map(({ setting }) => setting.env);
  expect(new Set(names).size).toBe(names.length);
});
