import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { schemas } from '../../../src/avro/schemas.ts';

type Node = {
  readonly type?: unknown;
  readonly fields?: readonly Field[];
  readonly items?: unknown;
};
type Field = { readonly name: string; readonly type: unknown };

/** The paths of a schema's fields, through records, unions and lists. */
function pathsOf(type: unknown, path = ''): readonly string[] {
  if (Array.isArray(type)) return type.flatMap((one) => pathsOf(one, path));
  if (typeof type !== 'object' || type === null) return [];
  const { fields, items, type: inner } = type as Node;
  if (items !== undefined) return pathsOf(items, path);
  if (fields === undefined) return typeof inner === 'object' ? pathsOf(inner, path) : [];
  return fields.flatMap((field) => {
    const own = path === '' ? field.name : `${path}.${field.name}`;
    return [own, ...pathsOf(field.type, own)];
  });
}

const inSchema = pathsOf(JSON.parse(schemas.PublicationSucceeded.text));
const rows = readFileSync('docs/voucherify-fields.md', 'utf8')
  .split('\n')
  .filter((line) => line.startsWith('| `'))
  .map((line) => line.split('|').map((cell) => cell.trim()));

test('each field of the event that the table names is in the schema', () => {
  const named = rows.flatMap(([, , ours = '']) => [...ours.matchAll(/`([^`]+)`/g)]);
  expect(named.length).toBeGreaterThan(50);
  expect(named.map(([, name]) => name).filter((name) => !inSchema.includes(name ?? ''))).toEqual(
    [],
  );
});

test('each of Voucherify’s fields is carried, or left out for a reason', () => {
  const silent = rows.filter(([, , ours, reason]) => ours === '' && reason === '');
  expect(silent).toEqual([]);
});

test('each field of the event that comes from Voucherify is in the table', () => {
  const ours = new Set(
    rows.flatMap(([, , cell = '']) => [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name)),
  );
  // Ours alone: worked out, or about the arrival.
  const own =
    /^(receivedAt|processedAt|complete|missing|unreadable|origin|asOf|reference.*|publisher.*|vouchers\.benefit\.summary)$/;
  const parents = (path: string) => inSchema.some((other) => other.startsWith(`${path}.`));
  expect(inSchema.filter((path) => !ours.has(path) && !own.test(path) && !parents(path))).toEqual(
    [],
  );
});
