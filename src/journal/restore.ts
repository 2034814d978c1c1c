/**
 * Restores one partition's state: reads its journal, and checks it against the group's offset and
 * the raw topic.
 */

import type { Decoder } from '../avro/decoder.ts';
import type { DeploymentIdentity, JournalRecord } from '../avro/records.ts';
import { Throttle } from '../concurrency/throttle.ts';
import { AppError } from '../errors.ts';
import type { LogReader } from '../kafka/log-reader.ts';
import { describeTruncation, ownerProblems } from './deployment-identity.ts';
import { agreePosition } from './position.ts';
import { replay } from './replay.ts';
import type { PartitionState } from './state.ts';

export type RestoreOptions = {
  readonly reader: LogReader;
  readonly decoder: Decoder<JournalRecord>;
  readonly raw: string;
  readonly journal: string;
  readonly partition: number;
  readonly windowMs: number;
  readonly nowMs: number;
  /**
   * The group's committed offset. It must be read after the lease was taken: before, it can be
   * stale.
   */
  readonly committed: number | undefined;
  /** The current deployment, to which the journal must belong. */
  readonly found: { readonly identity: Buffer; readonly deployment: DeploymentIdentity };
  /** Awaited several times per second: heartbeats, progress. */
  readonly onProgress: (progress: Progress) => Promise<void>;
};

type Progress = { readonly read: number; readonly total: number; readonly ids: number };

export type Restored = {
  readonly state: PartitionState;
  /** Raw records that retention deleted before they were processed. */
  readonly lostRecords: number;
};

const progressEveryMs = 250;

/** The journal keeps two windows: enough for a processor that lags by one. */
const keptFrom = (nowMs: number, windowMs: number) => nowMs - 2 * windowMs;

/**
 * An eighth of the window later, because the clocks of the processors that wrote the journal may
 * differ by that much.
 */
const coveredFrom = (nowMs: number, windowMs: number) => keptFrom(nowMs, windowMs) + windowMs / 8;

/**
 * Call this only while holding the partition's lease: before, the journal can still grow.
 * @throws AppError ASSUMPTION_BROKEN if the journal belongs to another deployment, or does not
 * agree with the group
 */
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

/**
 * Returns whether the record before the position is still the one that was processed; true if the
 * journal does not say.
 */
export async function isSameLog(
  { reader, raw, partition }: Pick<RestoreOptions, 'reader' | 'raw' | 'partition'>,
  { state, rawStart, rawEnd }: Replayed,
): Promise<boolean> {
  const before = state.position - 1;
  if (state.lastTimestamp < 0 || before < rawStart) return true;
  if (before >= rawEnd) return false;
  const record = await reader.recordAt({ topic: raw, partition, offset: before });
  return record?.timestampMs === state.lastTimestamp;
}

/** Replays the journal without checking its owner. */
export async function replayJournal(options: RestoreOptions) {
  const { reader, decoder, raw, journal, partition, committed, windowMs, nowMs } = options;
  const [rawStart, rawEnd, start, from, to] = await Promise.all([
    reader.offsetOf(raw, partition, 'start'),
    reader.offsetOf(raw, partition, 'end'),
    reader.offsetOf(journal, partition, 'start'),
    reader.offsetOf(journal, partition, { atMs: keptFrom(nowMs, windowMs) }),
    reader.offsetOf(journal, partition, 'end'),
  ]);
  const first = Math.max(start, from);
  // The journal outlives raw. If it begins later than what raw still holds, it was truncated or
  // recreated: ids are complete only since its first record, or, if it is empty, only from now on.
  const coveredFromMs = (record: JournalRecord | undefined) => {
    const usual = coveredFrom(nowMs, windowMs);
    const isTruncated = first === start && (record?.from ?? committed ?? rawStart) > rawStart;
    if (isTruncated) return Math.max(usual, record?.processedAt ?? nowMs);
    return first === 0 ? undefined : usual;
  };
  const name = `${journal}/${partition}`;
  const fallback = committed ?? rawStart;
  const { add, finish } = replay({ name, windowMs, committed, coveredFromMs, fallback });
  const progress = new Throttle(progressEveryMs);
  let ids = 0;
  for await (const page of reader.pages({ topic: journal, partition, from: first, to })) {
    await decoder.prepare(page.map(({ value }) => value));
    for (const { value, offset } of page) {
      const result = decoder.decode(value);
      if (result.kind === 'undecodable') {
        const text = `${name} offset ${offset}: ${result.message}: expected a JournalRecord`;
        throw new AppError('ASSUMPTION_BROKEN', 'stop', text);
      }
      ids += result.value.entries.length;
      add(result.value);
      if (progress.isDue()) {
        await options.onProgress({ read: offset + 1 - first, total: to - first, ids });
      }
    }
  }
  return { ...finish(), isJournalVirgin: to === 0, rawStart, rawEnd };
}
