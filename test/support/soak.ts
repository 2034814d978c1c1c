/**
 * CI runs a bounded selection of the faults; `make soak` (SOAK is set) runs all of them, longer and
 * again and again.
 */

import { test } from 'vitest';

const isSoak = process.env['SOAK'] !== undefined;

/** How often, or how long: the first in CI, the second in a soak. */
export const bounded = (inCi: number, inSoak: number): number => (isSoak ? inSoak : inCi);

export const soakTest = test.skipIf(!isSoak);
