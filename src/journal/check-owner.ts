/** Whose journal it is, asked of all its partitions before any of them is worked on. */

import type { Decoder } from '../avro/decoder.ts';
import type { DeploymentIdentity, JournalRecord } from '../avro/records.ts';
import { AppError } from '../errors.ts';
import type { Reader } from '../kafka/log-reader.ts';
import { type CoreTopics, noIdentity, ownerProblems } from './deployment-identity.ts';
import { describeLostJournal } from './position.ts';
import { readJournalRecords } from './read-records.ts';

export type OwnerOptions = {
  readonly reader: Reader;
  readonly decoder: Decoder<JournalRecord>;
  readonly core: CoreTopics;
  readonly deployment: DeploymentIdentity;
  readonly identity: Buffer;
  /** The group's offsets by partition: before a lease is taken they may be stale, so lower than they are. */
  readonly committed: ReadonlyMap<number, number>;
};

/**
 * A partition whose journal is empty tells nothing by itself: if partitions were added, or another group wrote the journal, the others tell.
 * @throws AppError ASSUMPTION_BROKEN, fatal, where the journal belongs to another deployment
 */
export async function checkOwner(options: OwnerOptions): Promise<void> {
  const { reader, core, deployment, identity, committed } = options;
  const problems = new Set<string>();
  const check = async (partition: number) => {
    const offset = committed.get(partition) ?? 0;
    if ((await reader.offsetOf(core.journal, partition, 'end')) === 0) {
      if (offset > (await reader.offsetOf(core.raw, partition, 'start'))) {
        problems.add(describeLostJournal(`${core.raw}/${partition}`, offset));
      }
      return;
    }
    const last = await lastBatch(options, partition);
    if (!last || last.identity.equals(noIdentity) || last.identity.equals(identity)) return;
    const owner = {
      identity: last.identity,
      deployment: await lastDeployment(options, partition),
    };
    for (const one of ownerProblems(owner, { identity, deployment }, core)) problems.add(one);
  };
  await Promise.all(Array.from({ length: deployment.partitions }, (_, p) => check(p)));
  if (problems.size === 0) return;
  throw new AppError('ASSUMPTION_BROKEN', 'stop', [...problems].join('; '));
}

/** Looked for from the end: first in a few offsets, then in ten times as many. */
const firstLook = 20;

async function lastBatch(
  options: OwnerOptions,
  partition: number,
): Promise<JournalRecord | undefined> {
  const { reader, core } = options;
  const [start, end] = await Promise.all([
    reader.offsetOf(core.journal, partition, 'start'),
    reader.offsetOf(core.journal, partition, 'end'),
  ]);
  for (let count = firstLook, from = end; from > start; count *= 10) {
    from = Math.max(start, end - count);
    const last = await findLast(options, partition, from, end, () => true);
    if (last) return last;
  }
  return undefined;
}

/** Returns the last full deployment in a partition of the journal. */
async function lastDeployment(
  options: OwnerOptions,
  partition: number,
): Promise<DeploymentIdentity | undefined> {
  const { reader, core } = options;
  const [start, end] = await Promise.all([
    reader.offsetOf(core.journal, partition, 'start'),
    reader.offsetOf(core.journal, partition, 'end'),
  ]);
  const isFull = ({ deployment }: JournalRecord) => deployment !== null;
  return (await findLast(options, partition, start, end, isFull))?.deployment ?? undefined;
}

/** Skips records that cannot be decoded: the restore reports them. */
async function findLast(
  { reader, decoder, core }: OwnerOptions,
  partition: number,
  from: number,
  to: number,
  isWanted: (batch: JournalRecord) => boolean,
): Promise<JournalRecord | undefined> {
  let last: JournalRecord | undefined;
  await readJournalRecords({
    reader,
    decoder,
    journal: core.journal,
    partition,
    from,
    to,
    visit: (batch) => {
      if (!('kind' in batch) && isWanted(batch)) last = batch;
    },
  });
  return last;
}
