/** Where a partition goes on from: the group's committed offset and the journal must say the same. Pure. */

import { AppError } from '../errors.ts';

export type Claims = {
  /** For messages: topic/partition of raw. */
  readonly name: string;
  /** The group's committed offset; undefined where it has none or it has expired. */
  readonly committed: number | undefined;
  /** `to` of the journal's last valid record; undefined where there is none. */
  readonly journal: number | undefined;
  /** Whether anything was ever written to this partition of the journal. */
  readonly isJournalVirgin: boolean;
  readonly rawStart: number;
  readonly rawEnd: number;
};

/** @throws AppError ASSUMPTION_BROKEN where two claims differ: going on could lose or repeat events */
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
  // Group offsets expire after 7 days without members, the journal does not: it wins. Where neither is left, no record that raw still
  // holds was ever processed: the journal outlives raw.
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
