import { expect, test } from 'vitest';
import type { UnitMs } from '../../../src/reconcile/census.ts';
import { codesOf, findPublications } from '../../../src/reconcile/find.ts';
import type { PublicationFilter } from '../../../src/reconcile/vendor.ts';

const at = Date.parse('2026-11-28T10:00:00.500Z');

const listed = (id: string, createdAtMs = at, more: object = {}) => ({
  id,
  created_at: new Date(createdAtMs).toISOString(),
  customer_id: 'cust_1',
  result: 'SUCCESS',
  ...more,
});

const row = (changes: object = {}) => ({
  line: 2,
  codes: ['CODE'],
  customerId: 'cust_1',
  createdAtMs: at,
  channel: null,
  campaign: null,
  ...changes,
});

/** A vendor that lists these, in pages of 100, and remembers what it was asked. */
function aVendor(all: readonly ReturnType<typeof listed>[]) {
  const asked: (PublicationFilter & { page: number })[] = [];
  const publications = async (filter: PublicationFilter, page: number) => {
    asked.push({ ...filter, page });
    return all.slice((page - 1) * 100, page * 100);
  };
  return { asked, publications };
}

const found = async (
  all: readonly ReturnType<typeof listed>[],
  unitMs: UnitMs = 1,
  changes: object = {},
) => {
  const vendor = aVendor(all);
  const { publications, problem } = await findPublications(row(changes), vendor, unitMs);
  return { ids: publications.map(({ id }) => id), problem, asked: vendor.asked };
};

test('the row means the publication of its time, its customer and its code', async () => {
  const all = [
    listed('pub_later', at + 1),
    listed('pub_it'),
    listed('pub_failed', at, { result: 'FAILURE' }),
    listed('pub_other', at, { customer_id: 'cust_2' }),
    listed('pub_earlier', at - 1),
  ];
  const { ids, problem, asked } = await found(all);
  expect([ids, problem]).toEqual([['pub_it'], undefined]);
  expect(asked).toEqual([{ voucher: 'CODE', customer: 'cust_1', page: 1 }]);
});

test('where times are coarse, all publications of the unit are meant', async () => {
  const all = [listed('pub_a', at + 400), listed('pub_b', at - 400), listed('pub_c', at - 600)];
  expect((await found(all, 1_000)).ids).toEqual(['pub_a', 'pub_b']);
});

test('pages are read back until they are older than the row, and no further', async () => {
  const all = Array.from({ length: 450 }, (_, n) => listed(`pub_${n}`, at + 250 - n));
  const { ids, asked } = await found(all);
  expect(ids).toEqual(['pub_250']);
  expect(asked.map(({ page }) => page)).toEqual([1, 2, 3]);
});

test('one time on the border of two pages is read whole', async () => {
  const all = Array.from({ length: 250 }, (_, n) => listed(`pub_${n}`, n < 95 ? at + 1 : at));
  expect((await found(all)).ids).toHaveLength(155);
});

test.each([
  [{ codes: [], customerId: null }, 0, /neither a voucher nor a customer/],
  [{}, 1, /does not name it/],
  [{ codes: ['A', 'B', 'A,B'] }, 3, /does not name it/],
])('what cannot be decided, with the reason: %j', async (changes, calls, reason) => {
  const { ids, problem, asked } = await found([], 1, changes);
  expect([ids, asked.length]).toEqual([[], calls]);
  expect(problem).toMatch(reason);
});

test('a list without end is read to its last page', async () => {
  const vendor = {
    publications: async () => Array.from({ length: 100 }, (_, n) => listed(`pub_${n}`, at + 9)),
  };
  const { problem } = await findPublications(row(), vendor, 1);
  expect(problem).toMatch(/beyond its last page/);
});

test.each([
  [{ voucher: { code: 'A' } }, ['A']],
  [{ vouchers: ['A', 'B'] }, ['A', 'B']],
  [{ vouchers: [{ code: 'A' }], voucher: { code: 'A' } }, ['A']],
  [{ vouchers: null }, []],
])('the codes of %j', (publication, codes) => {
  expect(codesOf(publication)).toEqual(codes);
});
