/** Every mutant still finds the text that it replaces. */

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { mutants, plant } from '../mutants/mutants.ts';

test.each(mutants.map((mutant) => [mutant.name, mutant] as const))('%s', (_, mutant) => {
  const text = readFileSync(`src/${mutant.file}`, 'utf8');
  expect(plant(text, mutant)).not.toBe(text);
});

test('there are at least twenty mutants with different names', () => {
  expect(new Set(mutants.map(({ name }) => name)).size).toBeGreaterThanOrEqual(20);
});
