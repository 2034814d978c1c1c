/** The journal's records in order → the state, leaving out void ones. Pure; `restore.ts` reads them. */

import type { JournalRecord } from '../avro/records.ts';
import { AppError } from '../errors.ts';
import { PartitionState } from './state.ts';

export type ReplayStart = {
  /** For messages. */
  readonly name: string;
  readonly windowMs: number;
  /** The group's committed offset, undefined where it has none (it may have expired). */
  readonly committed: number | undefined;
  /** Since when no id is missing, given the first record that is there; undefined where the journal is read from its very first. */
  readonly coveredFromMs: (first: JournalRecord | undefined) => number | undefined;
  /** The state's position where the journal holds no valid record. */
  readonly fallback: number;
};

export type Replay = {
  readonly add: (batch: JournalRecord) => void;
  /** The state, and where the journal says the partition stands (undefined without a valid record). */
  readonly finish: () => {
    readonly state: PartitionState;
    readonly journalPosition: number | undefined;
  };
};

/**
 * A record is void if a later one starts at or before its `from`, or if its `to` lies beyond the committed offset: then its transaction was
 * aborted, and a reader that filters well never shows it. The last record is held back until the next one, or the end, has judged it. After an
 * adoption offsets count in another log, and may be lower.
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
