/** Brings one partition's state back: reads its journal, and checks it against the group's offset and the raw topic. */

import type { Decoder } from '../avro/decoder.ts';
import type { DeploymentIdentity, JournalRecord } from '../avro/records.ts';
import { AppError } from '../errors.ts';
import type { Reader } from '../kafka/log-reader.ts';
import type { ReadRecord } from '../kafka/protocol/record-batch-reader.ts';
import { describeTruncation, ownerProblems } from './deployment-identity.ts';
import { agreePosition } from './position.ts';
import { readJournalRecords } from './read-records.ts';
import { replay } from './replay.ts';
import type { PartitionState } from './state.ts';

export type RestoreOptions = {
  readonly reader: Reader;
  readonly decoder: Decoder<JournalRecord>;
  readonly raw: string;
  readonly journal: string;
  readonly partition: number;
  readonly windowMs: number;
  readonly nowMs: number;
  /** Read after the lease was taken, for before it can be stale. */
  readonly committed: number | undefined;
  /** The current deployment, to which the journal must belong. */
  readonly found: { readonly identity: Buffer; readonly deployment: DeploymentIdentity };
  /** Awaited after each fetch: heartbeats, progress. */
  readonly onProgress: (progress: Progress) => Promise<void>;
};

type Progress = { readonly read: number; readonly total: number; readonly ids: number };

export type Restored = {
  readonly state: PartitionState;
  /** Raw records that retention deleted before they were processed. */
  readonly lostRecords: number;
};

/** The journal keeps two windows: enough for a processor that lags by one. */
const keptFrom = (nowMs: number, windowMs: number) => nowMs - 2 * windowMs;

/** An eighth of the window later: the clocks of the processors that wrote the journal may disagree by that much. */
const coveredFrom = (nowMs: number, windowMs: number) => keptFrom(nowMs, windowMs) + windowMs / 8;

/** Call only while holding the partition's lease: before, the journal can still grow. @throws AppError ASSUMPTION_BROKEN, where the journal belongs to another deployment, or does not agree with the group */
export async function restore(options: RestoreOptions): Promise<Restored> {
  const { raw, partition, committed } = options;
  const replayed = await replayJournal(options);
  const { state, journalPosition, isJournalVirgin, rawStart, rawEnd } = replayed;
  const isSame = await isSameLog(options, replayed);
  const problems = [
    ...ownerProblems(state, options.found, options),
    ...(isSame ? [] : [describeTruncation(raw, partition, state.position)]),
  ];
  if (problems.length > 0) throw new AppError('ASSUMPTION_BROKEN', 'stop', problems.join('; '));
  const position = agreePosition({
    name: `${raw}/${partition}`,
    committed,
    journal: journalPosition,
    isJournalVirgin,
    rawStart,
    rawEnd,
  });
  return { state, lostRecords: Math.max(0, rawStart - position) };
}

export type Replayed = Awaited<ReturnType<typeof replayJournal>>;

/** Returns whether the record before the position is still the one that was processed; true if the journal does not say. */
export async function isSameLog(
  { reader, raw, partition }: Pick<RestoreOptions, 'reader' | 'raw' | 'partition'>,
  { state, rawStart, rawEnd }: Replayed,
): Promise<boolean> {
  const before = state.position - 1;
  if (state.lastTimestamp < 0 || before < rawStart) return true;
  if (before >= rawEnd) return false;
  let found: number | undefined;
  const visit = ({ timestampMs }: ReadRecord) => {
    found = timestampMs;
  };
  await reader.read({ topic: raw, partition, from: before, to: before + 1, maxBytes: 1, visit });
  return found === state.lastTimestamp;
}

/** Replays the journal without checking its owner. */
export async function replayJournal(options: RestoreOptions) {
  const { reader, decoder, raw, journal, partition, committed, windowMs, nowMs, onProgress } =
    options;
  const [rawStart, rawEnd, start, from, to] = await Promise.all([
    reader.offsetOf(raw, partition, 'start'),
    reader.offsetOf(raw, partition, 'end'),
    reader.offsetOf(journal, partition, 'start'),
    reader.offsetOf(journal, partition, { atMs: keptFrom(nowMs, windowMs) }),
    reader.offsetOf(journal, partition, 'end'),
  ]);
  const first = Math.max(start, from);
  // The journal outlives raw. Where it begins later than what raw still holds, somebody truncated it or made it again, and only since its first
  // record is no id missing; where nothing is left of it, only from now on.
  const coveredFromMs = (batch: JournalRecord | undefined) => {
    const usual = coveredFrom(nowMs, windowMs);
    const isTruncated = first === start && (batch?.from ?? committed ?? rawStart) > rawStart;
    if (isTruncated) return Math.max(usual, batch?.processedAt ?? nowMs);
    return first === 0 ? undefined : usual;
  };
  const { add, finish } = replay({
    name: `${journal}/${partition}`,
    windowMs,
    committed,
    coveredFromMs,
    fallback: committed ?? rawStart,
  });
  let ids = 0;
  await readJournalRecords({
    reader,
    decoder,
    journal,
    partition,
    from: first,
    to,
    visit: (batch, offset) => {
      if ('kind' in batch) {
        const what = `${journal}/${partition} offset ${offset}: ${batch.message}`;
        throw new AppError('ASSUMPTION_BROKEN', 'stop', `${what}: expected a Batch`);
      }
      ids += batch.entries.length;
      add(batch);
    },
    onFetch: (next) => onProgress({ read: next - first, total: to - first, ids }),
  });
  return { ...finish(), isJournalVirgin: to === 0, rawStart, rawEnd };
}
