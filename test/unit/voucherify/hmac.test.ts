import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { hmacSha256 } from '../../../src/voucherify/hmac.ts';

test("it is Node's own HMAC, for any key and body, one after the other", () => {
  const lengths = fc.oneof(
    fc.integer({ min: 0, max: 200 }),
    fc.constantFrom(64 * 1024 - 1, 64 * 1024, 64 * 1024 + 1, 200_000),
  );
  const bodies = fc.tuple(lengths, fc.nat(255)).map(([length, byte]) => Buffer.alloc(length, byte));
  const keys = fc.oneof(fc.string({ unit: 'binary', maxLength: 150 }), fc.constantFrom('', 'key'));
  fc.assert(
    fc.property(bodies, keys, (body, key) => {
      expect(hmacSha256(body, key)).toBe(createHmac('sha256', key).update(body).digest('hex'));
    }),
    { numRuns: 500 },
  );
});
