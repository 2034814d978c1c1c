/**
 * Checks to which deployment the journal belongs, in all partitions before any of them is
 * processed.
 */

import type { Decoder } from '../avro/decoder.ts';
import type { DeploymentIdentity, JournalRecord } from '../avro/records.ts';
import { AppError } from '../errors.ts';
import type { LogReader } from '../kafka/log-reader.ts';
import { type CoreTopics, noIdentity, ownerProblems } from './deployment-identity.ts';
import { describeLostJournal } from './position.ts';

export type OwnerOptions = {
  readonly reader: LogReader;
  readonly decoder: Decoder<JournalRecord>;
  readonly core: CoreTopics;
  readonly deployment: DeploymentIdentity;
  readonly identity: Buffer;
  /**
   * The group's offsets by partition. Before a lease is taken they may be stale, so lower than they
   * really are.
   */
  readonly committed: ReadonlyMap<number, number>;
};

/**
 * Checks all partitions, because an empty partition of the journal does not tell whether partitions
 * were added, or another group wrote the journal. The other partitions do.
 * @throws AppError ASSUMPTION_BROKEN if the journal belongs to another deployment
 */
export async function checkOwner(options: OwnerOptions): Promise<void> {
  const { deployment } = options;
  const found = await Promise.all(
    Array.from({ length: deployment.partitions }, (_, partition) => problemsOf(options, partition)),
  );
  const problems = new Set(found.flat());
  if (problems.size === 0) return;
  throw new AppError('ASSUMPTION_BROKEN', 'stop', [...problems].join('; '));
}

async function problemsOf(options: OwnerOptions, partition: number): Promise<readonly string[]> {
  const { reader, core, deployment, identity, committed } = options;
  const offset = committed.get(partition) ?? 0;
  if ((await reader.offsetOf(core.journal, partition, 'end')) === 0) {
    const isLost = offset > (await reader.offsetOf(core.raw, partition, 'start'));
    return isLost ? [describeLostJournal(`${core.raw}/${partition}`, offset)] : [];
  }
  const last = await lastRecord(options, partition);
  if (!last || last.identity.equals(noIdentity) || last.identity.equals(identity)) return [];
  const owner = {
    identity: last.identity,
    deployment: await lastDeployment(options, partition),
  };
  return ownerProblems(owner, { identity, deployment }, core);
}

/** The search goes back from the end: first this many offsets, then ten times as many. */
const firstSearch = 20;

async function lastRecord(
  options: OwnerOptions,
  partition: number,
): Promise<JournalRecord | undefined> {
  const { reader, core } = options;
  const { from: start, to: end } = await reader.rangeOf(core.journal, partition, 'start', 'end');
  for (let count = firstSearch, from = end; from > start; count *= 10) {
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
  const { from, to } = await reader.rangeOf(core.journal, partition, 'start', 'end');
  const isFull = ({ deployment }: JournalRecord) => deployment !== null;
  return (await findLast(options, partition, from, to, isFull))?.deployment ?? undefined;
}

/** Skips records that cannot be decoded: the restore reports them. */
async function findLast(
  { reader, decoder, core }: OwnerOptions,
  partition: number,
  from: number,
  to: number,
  isWanted: (record: JournalRecord) => boolean,
): Promise<JournalRecord | undefined> {
  let last: JournalRecord | undefined;
  const range = { topic: core.journal, partition, from, to };
  for await (const { result } of decoder.decodeEach(reader.records(range))) {
    if (result.kind === 'decoded' && isWanted(result.value)) last = result.value;
  }
  return last;
}
