/**
 * Determines where a partition continues: the group's committed offset and the journal must agree.
 * Pure.
 */

import { AppError } from '../errors.ts';

export type Claims = {
  /** Used in messages: topic/partition of raw. */
  readonly name: string;
  /** The group's committed offset; undefined if it has none or it has expired. */
  readonly committed: number | undefined;
  /** `to` of the journal's last valid record; undefined if there is none. */
  readonly journal: number | undefined;
  /** Whether anything was ever written to this partition of the journal. */
  readonly isJournalVirgin: boolean;
  readonly rawStart: number;
  readonly rawEnd: number;
};

/**
 * @throws AppError ASSUMPTION_BROKEN if two of them differ: continuing could lose or repeat events
 */
export function agreePosition(claims: Claims): number {
  const { name, committed, journal, isJournalVirgin, rawStart, rawEnd } = claims;
  if (committed !== undefined && journal !== undefined && committed !== journal) {
    throw broken(
      `${name}: the group's committed offset is ${committed}, the journal's position is ${journal}: expected the same. Set the group's offset to ${journal}, or find out who changed one of them`,
    );
  }
  if (journal === undefined && isJournalVirgin && committed !== undefined && committed > rawStart) {
    throw broken(describeLostJournal(name, committed));
  }
  // Group offsets expire after 7 days without members. The journal does not, so it wins. If there
  // is neither, no record that raw still contains was ever processed, because the journal outlives
  // raw.
  const position = journal ?? committed ?? rawStart;
  if (position > rawEnd) {
    throw broken(
      `${name}: the position is ${position}, raw ends at ${rawEnd}: expected at most that. Was the raw topic deleted and made again, or truncated? \`voucherbus adopt\` shows what accepting it would mean, and does it`,
    );
  }
  return position;
}

export function describeLostJournal(name: string, committed: number): string {
  return `${name}: the group's committed offset is ${committed}, but the journal is empty and was never written: expected its records. Without them repeats would pass; if the journal was deleted on purpose, \`voucherbus adopt\` goes on from the group's offset and lets what was created before be parked`;
}

function broken(message: string): AppError {
  return new AppError('ASSUMPTION_BROKEN', 'stop', message);
}
