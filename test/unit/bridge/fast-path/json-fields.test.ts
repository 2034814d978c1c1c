import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  parseOnly,
  type Shape,
  type Wanted,
} from '../../../../src/bridge/fast-path/json-fields.ts';
import { isObject } from '../../../../src/voucherify/json-part.ts';

const shape: Shape = { id: 'text', data: { id: 'text', data: { id: 'text' } } };

/** The plain version: parse all of it, then take. */
function parsedThenTaken(text: string): Wanted {
  return taken(JSON.parse(text), shape);
}

function taken(value: unknown, wanted: Shape): Wanted {
  if (wanted === 'text') return typeof value === 'string' ? value : null;
  if (!isObject(value)) return null;
  const members = Object.entries(wanted).filter(([key]) => Object.hasOwn(value, key));
  return Object.fromEntries(members.map(([key, inner]) => [key, taken(value[key], inner)]));
}

const anyText = fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.constantFrom('\\', '"'));
const anyKey = fc.oneof(fc.constantFrom('id', 'data', '__proto__'), anyText);
const anyJson = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.oneof(anyText, fc.double(), fc.boolean(), fc.constant(null)),
    fc.array(tie('value')),
    fc.array(fc.tuple(anyKey, tie('value'))),
  ),
})).value;

type Style = { readonly arena: string; readonly isEscaped: boolean };

/** With each key as often as it comes up, with spaces, and with escapes where none is needed. */
function written(value: unknown, style: Style): string {
  const inner = (one: unknown) => `${style.arena}${written(one, style)}${style.arena}`;
  if (typeof value === 'string') {
    const text = JSON.stringify(value);
    return style.isEscaped && !text.includes('\\') ? text.replace(/[a-z]/g, escaped) : text;
  }
  if (!Array.isArray(value)) return JSON.stringify(value);
  const isObject = value.some((one) => Array.isArray(one) && typeof one[0] === 'string');
  if (!isObject) return `[${value.map(inner).join(',')}]`;
  const members = value.filter((one) => Array.isArray(one) && typeof one[0] === 'string');
  return `{${members.map(([key, one]) => `${inner(key)}:${inner(one ?? null)}`).join(',')}}`;
}

const escaped = (letter: string) => `\\u00${letter.charCodeAt(0).toString(16)}`;

test('what is wanted is what JSON.parse would have found', () => {
  const styles = fc.record({
    arena: fc.constantFrom('', ' ', '\r\n\t'),
    isEscaped: fc.boolean(),
  });
  fc.assert(
    fc.property(anyJson, styles, (value, style) => {
      const text = written(value, style);
      expect(parseOnly(Buffer.from(text), shape)).toEqual(parsedThenTaken(text));
    }),
    { numRuns: 1_000 },
  );
});

test('of two members with one name the last one counts', () => {
  const text = '{"id": "a", "data": {"id": "b"}, "data": {}, "id": "c"}';
  expect(parseOnly(Buffer.from(text), shape)).toEqual({ id: 'c', data: {} });
});

test.each([
  ['"a\\\\"', 'a\\'],
  ['"a\\\\\\""', 'a\\"'],
  ['"ключ"', 'ключ'],
  ['""', ''],
])('%s is read', (raw, value) => {
  const text = `{"before": ${raw}, "id": ${raw}, "after": [${raw}]}`;
  expect(parseOnly(Buffer.from(text), shape)).toEqual({ id: value });
});

test.each([
  '',
  ' ',
  '{',
  '{"id"',
  '{"id":',
  '{"id":"',
  '{"id":"a"',
  '{"id":"\\',
  '{"id":"\\"}',
  '{"id":"a",',
  '{"id" "a"}',
  '{id:"a"}',
  '{"id":"\\x"}',
  '{"id":"a\nb"}',
  '{"id":"a"} {}',
  '{"data":{"id":"a"}',
  '{"x":[1,2}',
  '{"x":}',
  '[{"a":"]"}',
])('%s is not JSON', (text) => {
  expect(parseOnly(Buffer.from(text), shape)).toBeUndefined();
});

test('no bytes make it throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      parseOnly(Buffer.from(bytes), shape);
    }),
  );
});
