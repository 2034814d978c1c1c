/** The checker must find each kind of violation: a correct history, then one change in it. */

import { expect, test } from 'vitest';
import type { Outcome } from '../../../src/avro/records.ts';
import { digestOf } from '../../../src/digest.ts';
import { noIdentity } from '../../../src/journal/deployment-identity.ts';
import type { RecordPosition } from '../../../src/kafka/record-position.ts';
import { check } from '../../../src/verify/checker.ts';
import type { Expected, History, Sent } from '../../../src/verify/history.ts';
import { renderVerdict } from '../../../src/verify/report.ts';
import type { Snapshot } from '../../../src/verify/snapshot.ts';

const gifts: Expected = { kind: 'forwarded', topic: 'gifts' };
const sent = (expected: Expected, ...offsets: number[]): Sent => ({
  expected,
  acknowledged: offsets.map((offset) => ({ partition: 0, offset })),
  spooled: 0,
  refused: 0,
});
const at = (topic: string, offset: number): RecordPosition => ({ topic, partition: 0, offset });

const history = (): Map<string, Sent> =>
  new Map([
    ['a', sent(gifts, 0, 2)],
    ['b', sent({ kind: 'dead-lettered', reason: 'invalid-json' }, 1)],
    ['c', sent({ kind: 'ignored' }, 3)],
    ['d', sent(gifts, 4)],
  ]);

const entry = (id: string, offset: number, outcome: Outcome, label = -1) => ({
  digest: digestOf(id),
  offset,
  outcome,
  label,
});
const batchOf = (from: number, to: number, entries: ReturnType<typeof entry>[]) => ({
  from,
  to,
  receivedUntil: 0,
  processedAt: 0,
  lastTimestamp: -1,
  identity: noIdentity,
  deployment: null,
  routesVersion: 'builtin',
  labels: ['gifts', 'invalid-json', 'voucher.published'],
  entries,
});

const firstBatch = batchOf(0, 3, [
  entry('a', 0, 'FORWARDED', 0),
  entry('b', 1, 'DEAD_LETTERED', 1),
  entry('a', 2, 'DUPLICATE'),
]);
const secondBatch = batchOf(3, 5, [entry('c', 0, 'IGNORED', 2), entry('d', 1, 'FORWARDED', 0)]);

const snapshot = (): Snapshot => ({
  raw: ['a', 'b', 'a', 'c', 'd'].map((id, offset) => ({ ...at('raw', offset), id })),
  outputs: [
    { ...at('gifts', 0), id: 'a' },
    { ...at('gifts', 2), id: 'd' },
  ],
  deadLetters: [{ ...at('dlq', 0), origin: { partition: 0, offset: 1 }, reason: 'invalid-json' }],
  journal: [
    { ...at('journal', 0), record: firstBatch },
    { ...at('journal', 2), record: secondBatch },
  ],
  undecodable: [],
  committed: new Map([[0, 5]]),
  rawEnds: new Map([[0, 5]]),
  open: [],
  shownWrongly: [],
  hiddenWrongly: [],
  abortedRecords: 0,
});

const violationsOf = (
  changes: Partial<Snapshot>,
  past: History = history(),
  areTopicsOurs = true,
) =>
  check(past, { ...snapshot(), ...changes }, areTopicsOurs)
    .invariants.filter(({ violations }) => violations.length > 0)
    .map(({ invariant, violations }) => `${invariant}: ${violations.join('; ')}`)
    .join('\n');

test('a correct history has no violations', () => {
  const verdict = check(history(), snapshot(), true);
  expect([verdict.isExact, renderVerdict(verdict).at(-1)]).toEqual([true, 'EXACTLY ONCE']);
});

test('an acknowledged webhook that is not on raw', () => {
  const past = history().set('e', sent(gifts, 5));
  expect(violationsOf({}, past)).toContain('e: acknowledged as raw 0/5, not there');
  const spooled = { expected: gifts, acknowledged: [], spooled: 1, refused: 0 };
  expect(violationsOf({}, history().set('d', spooled))).toBe('');
  expect(violationsOf({}, history().set('e', spooled))).toContain('e: acknowledged from the spool');
});

test('a publication that is missing, twice, or on another topic', () => {
  const [first, second] = snapshot().outputs as [
    RecordPosition & { id: string },
    RecordPosition & { id: string },
  ];
  expect(violationsOf({ outputs: [first] })).toContain('d: 0 times instead of 1: nowhere');
  const again = { ...at('gifts', 7), id: 'a' };
  expect(violationsOf({ outputs: [first, second, again] })).toContain(
    'a: 2 times instead of 1: gifts/0@0, gifts/0@7',
  );
  expect(violationsOf({ outputs: [first, { ...second, topic: 'other' }] })).toContain(
    'd: other/0@2, expected on gifts',
  );
});

test('a publication whose webhook was withheld must be forwarded nevertheless', () => {
  const past = history().set('e', { ...sent(gifts), isWithheld: true });
  expect(violationsOf({}, past)).toContain('e: 0 times instead of 1: nowhere');
  const withheld = history().set('d', { ...sent(gifts, 4), isWithheld: true });
  expect(violationsOf({}, withheld)).toBe('');
  expect(renderVerdict(check(withheld, snapshot(), true))[0]).toContain(', 1 withheld');
});

test('a webhook that was refused but stored must be forwarded once; one that was not stored need not', () => {
  const past = history();
  past.set('d', { expected: gifts, acknowledged: [], spooled: 0, refused: 1 });
  past.set('e', { expected: gifts, acknowledged: [], spooled: 0, refused: 1 });
  expect(violationsOf({}, past)).toBe('');
  const [first] = snapshot().outputs;
  expect(violationsOf({ outputs: first ? [first] : [] }, past)).toContain(
    'd: 0 times instead of 1',
  );
});

test('a dead letter that is missing, twice, or has another reason', () => {
  const [letter] = snapshot().deadLetters as [Snapshot['deadLetters'][number]];
  expect(violationsOf({ deadLetters: [] })).toContain('parked for [], expected [invalid-json]');
  expect(violationsOf({ deadLetters: [letter, letter] })).toContain('invalid-json,invalid-json');
  expect(violationsOf({ deadLetters: [{ ...letter, reason: 'x' }] })).toContain('parked for [x]');
  const lost = { partition: Number.NaN, offset: Number.NaN };
  expect(violationsOf({ deadLetters: [letter, { ...letter, origin: lost }] })).toContain(
    'does not say',
  );
});

test('an ignored event that the journal does not call ignored', () => {
  const record = batchOf(3, 5, [entry('c', 0, 'DUPLICATE'), entry('d', 1, 'FORWARDED', 0)]);
  const journal = [snapshot().journal[0], { ...at('journal', 2), record }] as Snapshot['journal'];
  expect(violationsOf({ journal })).toContain('not journaled as ignored');
});

test('an output or a raw record that was not sent', () => {
  const outputs = [...snapshot().outputs, { ...at('gifts', 9), id: 'z' }];
  expect(violationsOf({ outputs })).toContain('z: gifts/0@9, no such webhook on raw');
  expect(violationsOf({ outputs }, history(), false)).toBe('');
  const raw = [...snapshot().raw, { ...at('raw', 5), id: 'y' }];
  expect(violationsOf({ raw })).toContain('y: raw/0@5, never sent');
});

test('journal ranges that do not join, entries that are missing or twice', () => {
  const moved = { ...at('journal', 2), record: batchOf(4, 5, [entry('d', 0, 'FORWARDED', 0)]) };
  const [first] = snapshot().journal as [Snapshot['journal'][number]];
  const gap = violationsOf({ journal: [first, moved] });
  expect(gap).toContain('journal/0@2: starts at raw 4, the one before ended at 3');
  expect(gap).toContain('c: raw/0@3 has 0 entries');
  expect(violationsOf({ journal: [first, first] })).toContain('has 2 entries');
});

test('a journal that differs from the outputs', () => {
  const record = batchOf(3, 5, [entry('c', 0, 'IGNORED', 2), entry('d', 1, 'DUPLICATE')]);
  const journal = [snapshot().journal[0], { ...at('journal', 2), record }] as Snapshot['journal'];
  expect(violationsOf({ journal })).toContain('d: 0 times to gifts by the journal, 1 there');
});

test("group offsets that differ from the journal, or are short of raw's end", () => {
  expect(violationsOf({ committed: new Map([[0, 4]]) })).toContain(
    'raw/0: the group is at 4, the journal at 5; raw/0: processed to 4 of 5',
  );
});

test('aborted records that are shown, committed ones that are not, open transactions, unreadable records', () => {
  const position = at('gifts', 1);
  expect(violationsOf({ shownWrongly: [position] })).toContain(
    'gifts/0@1: aborted or open, and shown',
  );
  expect(violationsOf({ hiddenWrongly: [position] })).toContain(
    'gifts/0@1: committed, and not shown',
  );
  expect(violationsOf({ open: [position] })).toContain('no transaction was left open: gifts/0@1');
  expect(violationsOf({ undecodable: [position] })).toContain('fits its schema: gifts/0@1');
});

test('a long list of violations is cut, and says how many more there are', () => {
  const outputs = Array.from({ length: 50 }, (_, i) => ({ ...at('gifts', 10 + i), id: `z${i}` }));
  const lines = renderVerdict(check(history(), { ...snapshot(), outputs }, true));
  expect(lines).toContain('✗ nothing was invented: 50 violations');
  expect(lines.some((line) => line.includes('and 30 more'))).toBe(true);
  expect(lines.at(-1)).toBe('NOT EXACTLY ONCE');
});
