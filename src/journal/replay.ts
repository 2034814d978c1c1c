/**
 * Replays the journal's records in order, without void ones, into the state. Pure: `restore.ts`
 * reads them.
 */

import type { JournalRecord } from '../avro/records.ts';
import { AppError } from '../errors.ts';
import { PartitionState } from './state.ts';

export type ReplayStart = {
  /** Used in messages. */
  readonly name: string;
  readonly windowMs: number;
  /** The group's committed offset; undefined if it has none or it has expired. */
  readonly committed: number | undefined;
  /**
   * Returns since when no id is missing, given the first record; undefined if the journal is read
   * from its very first record.
   */
  readonly coveredFromMs: (first: JournalRecord | undefined) => number | undefined;
  /** The state's position if the journal has no valid record. */
  readonly fallback: number;
};

export type Replay = {
  readonly add: (batch: JournalRecord) => void;
  /** Returns the state and the journal's position; undefined without a valid record. */
  readonly finish: () => {
    readonly state: PartitionState;
    readonly journalPosition: number | undefined;
  };
};

/**
 * A record is void if a later one starts at or before its `from`, or if its `to` is beyond the
 * committed offset: its transaction was aborted, and a correct read_committed reader does not
 * return it. The last record is held until the next one, or the end, shows whether it is void.
 * After an adoption offsets refer to another log, and may be lower.
 */
export function replay({
  name,
  windowMs,
  committed,
  coveredFromMs,
  fallback,
}: ReplayStart): Replay {
  let state: PartitionState | undefined;
  const stateFrom = (first: JournalRecord | undefined) =>
    new PartitionState(fallback, windowMs, coveredFromMs(first));
  let pending: JournalRecord | undefined;
  let applied: number | undefined;
  const apply = (batch: JournalRecord) => {
    if (applied !== undefined && batch.from !== applied) {
      throw new AppError(
        'ASSUMPTION_BROKEN',
        'stop',
        `${name}: a batch starts at raw offset ${batch.from}, the one before it ended at ${applied}: expected them to join`,
      );
    }
    state?.apply(batch);
    applied = batch.to;
  };
  return {
    add: (batch) => {
      state ??= stateFrom(batch);
      if (pending && (pending.deployment?.isAdopted || batch.from > pending.from)) apply(pending);
      pending = batch;
    },
    finish: () => {
      const isVoid = pending && committed !== undefined && pending.to > committed;
      if (pending && !isVoid) apply(pending);
      return { state: state ?? stateFrom(undefined), journalPosition: applied };
    },
  };
}
