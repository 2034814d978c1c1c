import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Precision, type Row, readCensus } from '../../../src/reconcile/census.ts';
import { KeyCounts } from '../../../src/reconcile/key-counts.ts';

async function read(...pieces: readonly string[]): Promise<readonly Row[]> {
  const rows: Row[] = [];
  async function* bytes() {
    for (const piece of pieces) yield Buffer.from(piece);
  }
  for await (const row of readCensus(bytes())) rows.push(row);
  return rows;
}

test('rows are read with their line, wherever the download is cut', async () => {
  const csv =
    '\ufeffVoucher Code,Customer ID,Date,Channel,Campaign\n"A,1",c1,2026-11-28 10:00:00.5,API,x\n,,2026-11-28T10:00:01Z,,\n';
  const rows = await read(...csv);
  expect(rows).toEqual(await read(csv));
  expect(rows).toEqual([
    {
      line: 2,
      codes: ['A', '1', 'A,1'],
      customerId: 'c1',
      createdAtMs: Date.parse('2026-11-28T10:00:00.500Z'),
      channel: 'API',
      campaign: 'x',
    },
    {
      line: 3,
      codes: [],
      customerId: null,
      createdAtMs: Date.parse('2026-11-28T10:00:01Z'),
      channel: null,
      campaign: null,
    },
  ]);
});

test('an export that is cut off, or is something else, is an error and not a short census', async () => {
  await expect(read('voucher_code,customer_id,date\nA,c')).rejects.toThrow('after line 1');
  await expect(read('voucher_code,customer_id,date\n"A,c,2026')).rejects.toThrow('breaks off');
  await expect(read('<html>\n')).rejects.toThrow('expected also voucher_code, customer_id, date');
});

test.each([
  [['2026-11-28T10:00:00.001Z', '2026-11-28T10:00:00Z'], 1],
  [['2026-11-28T10:00:00Z', '2026-11-28T10:00:01Z'], 1_000],
  [['2026-11-28 10:00', ''], 60_000],
] as const)('times as precise as %j', async (dates, unitMs) => {
  const precision = new Precision();
  for (const row of await read(
    'voucher_code,customer_id,date\n',
    ...dates.map((one) => `A,c,${one}\n`),
  )) {
    precision.add(row);
  }
  expect(precision.unitMs).toBe(unitMs);
});

test('keys are counted as a Map would', () => {
  const keys = fc.array(fc.integer({ max: 300, min: 0 }), { maxLength: 2_000 });
  fc.assert(
    fc.property(keys, (all) => {
      const [counts, expected] = [new KeyCounts(), new Map<number, number>()];
      for (const key of all) {
        expected.set(key, (expected.get(key) ?? 0) + 1);
        expect(counts.add(String(key))).toBe(expected.get(key));
      }
      for (let key = 0; key <= 301; key += 1) {
        expect(counts.countOf(String(key))).toBe(expected.get(key) ?? 0);
      }
    }),
    { numRuns: 20 },
  );
});
