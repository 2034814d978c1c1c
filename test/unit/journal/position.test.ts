import { expect, test } from 'vitest';
import { agreePosition, type Claims } from '../../../src/journal/position.ts';

const invariants = (changes: Partial<Claims>): Claims => ({
  name: 'raw/3',
  committed: undefined,
  journal: undefined,
  isJournalVirgin: false,
  rawStart: 0,
  rawEnd: 100,
  ...changes,
});

test.each([
  ['a new system starts where raw starts', { isJournalVirgin: true, rawStart: 5 }, 5],
  ['both agree', { committed: 42, journal: 42 }, 42],
  ["the group's offset has expired: the journal wins", { journal: 42 }, 42],
  ["the journal's records have expired: the offset stands", { committed: 42 }, 42],
  [
    'an offset set to the start of a new system',
    { committed: 5, isJournalVirgin: true, rawStart: 5 },
    5,
  ],
  ['raw was read to its end', { committed: 100, journal: 100 }, 100],
])('%s', (_, changes, position) => {
  expect(agreePosition(invariants(changes))).toBe(position);
});

test.each([
  [{ committed: 40, journal: 42 }, "committed offset is 40, the journal's position is 42"],
  [
    { committed: 42, isJournalVirgin: true },
    'committed offset is 42, but the journal is empty and was never written',
  ],
  [{ committed: 142, journal: 142 }, 'the position is 142, raw ends at 100'],
])('%j stops the start and says both numbers', (changes, message) => {
  expect(() => agreePosition(invariants(changes))).toThrow(message);
});
