import { expect, test } from 'vitest';
import type { JournalRecord } from '../../../src/avro/records.ts';
import { digestOf } from '../../../src/digest.ts';
import { noIdentity } from '../../../src/journal/deployment-identity.ts';
import { replay } from '../../../src/journal/replay.ts';

const batch = (from: number, to: number, ...ids: string[]): JournalRecord => ({
  from,
  to,
  receivedUntil: to,
  processedAt: to,
  lastTimestamp: -1,
  identity: noIdentity,
  deployment: null,
  routesVersion: 'builtin',
  labels: ['t'],
  entries: ids.map((id, offset) => ({
    digest: digestOf(id),
    offset,
    outcome: 'FORWARDED',
    label: 0,
  })),
});

const replayed = (batches: readonly JournalRecord[], committed?: number) => {
  const { add, finish } = replay({
    name: 'journal/0',
    windowMs: 1e6,
    committed,
    coveredFromMs: () => undefined,
    fallback: 0,
  });
  for (const one of batches) add(one);
  const { state, journalPosition } = finish();
  const remembers = (id: string) => state.hasSeen(digestOf(id));
  return { journalPosition, position: state.position, remembers, state };
};

test('records that join restore the state', () => {
  const result = replayed([batch(0, 2, 'a', 'b'), batch(2, 3, 'c')], 3);
  expect(result).toMatchObject({ journalPosition: 3, position: 3 });
  expect(['a', 'b', 'c'].every(result.remembers)).toBe(true);
});

test('a record is void if a later one starts at or before it: its transaction was aborted', () => {
  const result = replayed(
    [batch(0, 2, 'a'), batch(2, 9, 'aborted'), batch(2, 5, 'b'), batch(5, 6, 'c')],
    6,
  );
  expect(result.position).toBe(6);
  expect(result.remembers('aborted')).toBe(false);
  expect(result.remembers('b')).toBe(true);
});

test('a record beyond the committed offset is void', () => {
  const result = replayed([batch(0, 2, 'a'), batch(2, 4, 'aborted')], 2);
  expect(result).toMatchObject({ journalPosition: 2, position: 2 });
  expect(result.remembers('aborted')).toBe(false);
});

test('without a committed offset the journal stands for itself', () => {
  expect(replayed([batch(0, 2, 'a'), batch(2, 4, 'b')]).journalPosition).toBe(4);
});

test('an empty journal has no position', () => {
  expect(replayed([], 7)).toMatchObject({ journalPosition: undefined });
});

test('a gap prevents the start, and the error has both numbers', () => {
  expect(() => replayed([batch(0, 2), batch(3, 4)], 4)).toThrow(
    'a batch starts at raw offset 3, the one before it ended at 2',
  );
});

test('a record that starts inside another one prevents the start', () => {
  expect(() => replayed([batch(0, 4), batch(2, 6)], 6)).toThrow(
    'starts at raw offset 2, the one before it ended at 4',
  );
});

test('after an adoption offsets refer to another log, and the ids are kept', () => {
  const adoption: JournalRecord = {
    ...batch(4, 0),
    deployment: { group: 'g', partitions: 1, topicIds: {}, isAdopted: true },
  };
  const { state, journalPosition } = replayed(
    [batch(0, 4, 'a', 'b'), adoption, batch(0, 2, 'c')],
    2,
  );
  expect([state.position, journalPosition, state.size]).toEqual([2, 2, 3]);
  expect(state.deployment?.group).toBe('g');
});

test('a partition continues at the position of an adoption', () => {
  const adoption: JournalRecord = {
    ...batch(4, 0),
    deployment: { group: 'g', partitions: 1, topicIds: {}, isAdopted: true },
  };
  const { state, journalPosition } = replayed([batch(0, 4, 'a'), adoption], 0);
  expect([state.position, journalPosition, state.size]).toEqual([0, 0, 1]);
});
