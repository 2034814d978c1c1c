import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { allSettings } from '../../../src/config/config.ts';
import { configTable } from '../../../src/config/table.ts';

test("the README's table is the generated one", () => {
  // To renew it: put the output of `node src/main.ts config` there.
  expect(readFileSync('README.md', 'utf8')).toContain(configTable());
});

test('no two settings share a variable', () => {
  const names = allSettings().map(({ setting }) => setting.env);
  expect(new Set(names).size).toBe(names.length);
});
