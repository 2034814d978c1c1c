import fc from 'fast-check';
import { expect, test } from 'vitest';
import { sign, verify, withoutWhitespace } from '../../../src/voucherify/signature.ts';

/**
 * Published by the vendor: Introduction to webhooks (docs.voucherify.io) and the tests of its Node
 * SDK.
 */
const vectors = [
  ['secretKey', '{"a":1}', 'a17d2ac229d1ebbb5f10e839c7985c4818e5986eab297f7e5979196d4d7d3ed2'],
  [
    'secretKey',
    '{\n  "a": 1\n}',
    'a17d2ac229d1ebbb5f10e839c7985c4818e5986eab297f7e5979196d4d7d3ed2',
  ],
  ['secretKey', '{"a\\"b":1}', 'f7cf97814a03146abedb9793f56e1dec34f618f82d10395310d053f749483ffb'],
  ['secretKey', '  message  ', '53ff92957e1427ce23ad5bda9d0c5f2f4ff384d0806b83eeacb510c842d3a358'],
  [
    'secret-signature-key',
    '{"test":"test1"}',
    '5547d4d07430a2d1b77649564c68d80afe591f7cc61ca110bccb442e3205eeec',
  ],
] as const;

test.each(vectors)(
  'the official vector with key %s and body %j verifies',
  (key, body, signature) => {
    const result = verify(Buffer.from(body), signature, [{ name: 'one', key }]);
    expect(result).toMatchObject({ kind: 'verified', verified: { secretName: 'one', signature } });
  },
);

test("the SDK's negative vector does not verify", () => {
  const wrong = '8ebb38af093d81c3ac7ae4bc035f16080d23dd9c204511d287de611d3a0948be';
  const secrets = [{ name: 'one', key: 'secret-signature-key' }];
  expect(verify(Buffer.from('{"test":"test1"}'), wrong, secrets)).toEqual({
    kind: 'wrong-signature',
  });
});

test('several secrets are valid at once, and the result names the one that matched', () => {
  const secrets = [
    { name: 'old', key: 'a' },
    { name: 'new', key: 'b' },
  ];
  const body = Buffer.from('{}');
  expect(verify(body, sign(body, 'a'), secrets)).toMatchObject({
    kind: 'verified',
    verified: { secretName: 'old' },
  });
  expect(verify(body, sign(body, 'b'), secrets)).toMatchObject({
    kind: 'verified',
    verified: { secretName: 'new' },
  });
  expect(verify(body, sign(body, 'c'), secrets)).toEqual({ kind: 'wrong-signature' });
});

test.each([undefined, ''])('a missing signature (%j) differs from a wrong one', (signature) => {
  expect(verify(Buffer.from('{}'), signature, [{ name: 'one', key: 'a' }])).toEqual({
    kind: 'no-signature',
  });
});

test.each(['short', 'é'.repeat(64), 'A17D'])(
  'a malformed signature %j is a wrong signature',
  (signature) => {
    expect(verify(Buffer.from('{}'), signature, [{ name: 'one', key: 'a' }])).toEqual({
      kind: 'wrong-signature',
    });
  },
);

test('any JSON with any indentation verifies with the signature of its compact text', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.constantFrom(1, 2, 4, '\t'), (value, indent) => {
      const compact = JSON.stringify(value);
      const spacious = Buffer.from(JSON.stringify(value, null, indent));
      expect(withoutWhitespace(spacious)?.toString()).toBe(compact);
      const signature = sign(Buffer.from(compact), 'k');
      expect(verify(spacious, signature, [{ name: 'one', key: 'k' }])).toMatchObject({
        kind: 'verified',
        verified: { secretName: 'one' },
      });
    }),
  );
});

test.each(['[1 2]', '[tr ue]', '{"a":1 2}', '1\n2'])(
  'white space between two tokens is not removed: %j',
  (body) => {
    const signature = sign(Buffer.from(body.replaceAll(/\s/g, '')), 'k');
    const secrets = [{ name: 'one', key: 'k' }];
    expect(verify(Buffer.from(body), signature, secrets)).toEqual({ kind: 'wrong-signature' });
  },
);

test('white space cannot make a replayed body large', () => {
  const secrets = [{ name: 'one', key: 'k' }];
  const signature = sign(Buffer.from('{"a":1}'), 'k');
  const inflated = (bytes: number) => Buffer.from(`{"a":${' '.repeat(bytes)}1}`);
  expect(verify(inflated(4_000), signature, secrets)).toMatchObject({
    kind: 'verified',
    verified: { secretName: 'one' },
  });
  expect(verify(inflated(5_000), signature, secrets)).toEqual({ kind: 'wrong-signature' });
});

test('the verified body has the bytes that were received', () => {
  const body = Buffer.from('{ "amount": 1.0, "big": 12345678901234567890 }');
  const signature = sign(withoutWhitespace(body) ?? Buffer.alloc(0), 'k');
  const result = verify(body, signature, [{ name: 'one', key: 'k' }]);
  expect(result).toMatchObject({ kind: 'verified', verified: { body } });
});
