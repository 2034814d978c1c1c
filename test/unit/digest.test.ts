import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { digestOf } from '../../src/digest.ts';

test.each(['pub_1', '', 'pub_é€😀'])('the digest of %j is the first half of its SHA-256', (id) => {
  const expected = createHash('sha256').update(id).digest().subarray(0, 16);
  expect(digestOf(id)).toEqual(expected);
  expect(digestOf(Buffer.from(id))).toEqual(expected);
});
