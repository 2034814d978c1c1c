/** The faults of `make mutants` still find their places: a source that changes takes its mutants along. */

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { mutants, plant } from '../mutants/mutants.ts';

test.each(mutants.map((mutant) => [mutant.name, mutant] as const))('%s', (_, mutant) => {
  const text = readFileSync(`src/${mutant.file}`, 'utf8');
  expect(plant(text, mutant)).not.toBe(text);
});

test('there are at least twenty, and each is its own', () => {
  expect(new Set(mutants.map(({ name }) => name)).size).toBeGreaterThanOrEqual(20);
});
