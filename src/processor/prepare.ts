/** From fetched records to the next transaction, within the limits of the configuration and of the topics. */

import type { Decoder } from '../avro/decoder.ts';
import type { JournalRecord, RawWebhook } from '../avro/records.ts';
import type { DeadLetter } from '../dead-letters/letter.ts';
import type { Lookups } from '../enrichment/lookups.ts';
import { AppError } from '../errors.ts';
import { isDeploymentDue } from '../journal/deployment-identity.ts';
import type { PartitionState } from '../journal/state.ts';
import type { InputRecord } from '../kafka/group.ts';
import type { Transaction } from '../kafka/transactional-producer.ts';
import { type Decision, decide, type Rules } from './decide.ts';
import { DecisionCounts } from './decision-counts.ts';
import { type Decoded, decodeRecord } from './decode.ts';
import type { DeploymentWatch } from './deployment-watch.ts';
import { whileBeating } from './heartbeat.ts';
import { excessOf, type TopicLimits, textOf } from './topic-limits.ts';
import { type Assembly, TransactionBuilder } from './transaction-builder.ts';

export type PrepareContext = {
  readonly rawDecoder: Decoder<RawWebhook>;
  /** Those in force: they may change between two transactions. */
  readonly rules: () => Rules;
  readonly assembly: Assembly;
  /** Of the raw records of one transaction. */
  readonly limits: { readonly maxRecords: number; readonly maxBytes: number };
  readonly topicLimits: TopicLimits;
  readonly deployment: Pick<DeploymentWatch, 'current'>;
  readonly windowMs: number;
  /** Undefined: nothing is looked up. */
  readonly lookups: Pick<Lookups, 'complete'> | undefined;
};

/** What is still needed when it is committed. Not the events: while the broker answers they would outlive collections of garbage. */
export type Work = {
  /** Raw records. */
  readonly size: number;
  readonly batch: JournalRecord;
  readonly counts: DecisionCounts;
  readonly transaction: Transaction;
  /** Once it is committed, and no sooner: the memory of the transaction's values is given back. */
  readonly giveBack: () => void;
};

/**
 * The next transaction: as many of the records from the position on as it can hold, decoded, decided and assembled; undefined where none are
 * left. Begins nothing: what fails here leaves the lease as it is. @throws AppError REGISTRY_UNAVAILABLE, LOOKUP_UNAVAILABLE, TOPIC_UNFIT; the rebalance error of `heartbeat`
 */
export async function prepare(
  records: readonly InputRecord[],
  state: PartitionState,
  partition: number,
  heartbeat: () => Promise<void>,
  context: PrepareContext,
): Promise<Work | undefined> {
  const { rawDecoder, rules: rulesNow, assembly, limits, topicLimits, lookups } = context;
  const slice = nextSlice(records, state.position, limits);
  if (slice.length === 0) return undefined;
  await whileBeating(rawDecoder.prepare(slice.map(({ value }) => value)), heartbeat);
  const read = (record: InputRecord) => decodeRecord(record, rawDecoder);
  const decoded = lookups ? await completed(slice.map(read), state, lookups, heartbeat) : undefined;
  const nowMs = Date.now();
  const rules = rulesNow();
  const { identity, deployment: found } = context.deployment.current();
  const isDue = isDeploymentDue(state, found, nowMs, context.windowMs);
  const belonging = { identity, deployment: isDue ? found : null };
  const work = (count: number, tooLarge?: DeadLetter): Work => {
    const taken = slice.slice(0, count);
    const builder = new TransactionBuilder(partition, rules, nowMs, assembly);
    const counts = new DecisionCounts();
    let size = 0;
    const take = (decision: Decision) => {
      builder.add(taken[size] as InputRecord, decision);
      counts.add(decision);
      size += 1;
    };
    const records = decoded?.slice(0, count) ?? oneByOne(taken, read);
    const batch = { ...decide(records, state, rules, nowMs, take, tooLarge), ...belonging };
    const transaction = builder.closedWith(batch);
    return { size, batch, counts, transaction, giveBack: () => builder.giveBack() };
  };
  for (let count = slice.length; ; count = Math.ceil(count / 2)) {
    const whole = work(count);
    const excess = excessOf(whole.transaction, topicLimits, nowMs);
    if (excess === undefined) return whole;
    if (count > 1) continue;
    const letter = { stage: 'decide', reason: 'too-large-for-topic', path: '$' } as const;
    const parked = work(1, { ...letter, message: textOf(excess) });
    const still = excessOf(parked.transaction, topicLimits, nowMs);
    if (still === undefined) return parked;
    // Not even the dead letter, or the journal's record: an operator must enlarge that topic.
    throw new AppError('TOPIC_UNFIT', 'stop', `raw offset ${slice[0]?.offset}: ${textOf(still)}`);
  }
}

/** What is read from a webhook is several times its size: encoded before the next one is read, it is gone before it costs a collection of garbage anything. */
function* oneByOne(
  records: readonly InputRecord[],
  read: (record: InputRecord) => Decoded,
): Generator<Decoded> {
  for (const record of records) yield read(record);
}

/** The next records from the position on, within the limits of one transaction; at least one if there is any. */
function nextSlice(
  records: readonly InputRecord[],
  position: number,
  { maxRecords, maxBytes }: PrepareContext['limits'],
): readonly InputRecord[] {
  const slice: InputRecord[] = [];
  let bytes = 0;
  for (const record of records) {
    if (Number(record.offset) < position) continue;
    bytes += record.value?.length ?? 0;
    if (slice.length === maxRecords || (slice.length > 0 && bytes > maxBytes)) break;
    slice.push(record);
  }
  return slice;
}

/** Repeats need nothing: they go no further. */
async function completed(
  records: readonly Decoded[],
  state: Pick<PartitionState, 'hasSeen'>,
  lookups: Pick<Lookups, 'complete'>,
  heartbeat: () => Promise<void>,
): Promise<readonly Decoded[]> {
  const publications = records.flatMap(({ content, digest }) =>
    content.kind === 'publication' && !state.hasSeen(digest) ? [content] : [],
  );
  const found = await whileBeating(lookups.complete(publications), heartbeat);
  const byOld = new Map(publications.map((publication, i) => [publication, found[i]]));
  return records.map((record) => {
    const content = record.content.kind === 'publication' && byOld.get(record.content);
    return content ? { ...record, content } : record;
  });
}
