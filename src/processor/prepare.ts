/**
 * Prepares the next transaction from fetched records, within the limits of the configuration and of
 * the topics.
 */

import type { Decoder } from '../avro/decoder.ts';
import type { JournalRecord, RawWebhook } from '../avro/records.ts';
import type { DeadLetter } from '../dead-letters/letter.ts';
import type { Lookups } from '../enrichment/lookups.ts';
import { AppError } from '../errors.ts';
import { isDeploymentDue } from '../journal/deployment-identity.ts';
import type { PartitionState } from '../journal/state.ts';
import type { InputRecord } from '../kafka/group.ts';
import type { Transaction } from '../kafka/transactional-producer.ts';
import type { Tracing } from '../observability/tracing.ts';
import { decide, type Rules } from './decide.ts';
import { DecisionCounts } from './decision-counts.ts';
import { type DecodedRecord, decodeRecord } from './decode.ts';
import type { DeploymentWatch } from './deployment-watch.ts';
import { whileBeating } from './heartbeat.ts';
import { describeExcess, type TopicLimits } from './topic-limits.ts';
import { type Assembly, TransactionBuilder } from './transaction-builder.ts';
import { TransactionTrace } from './transaction-trace.ts';

export type PrepareContext = {
  readonly rawDecoder: Decoder<RawWebhook>;
  /** Returns the rules in force: they may change between two transactions. */
  readonly rules: () => Rules;
  readonly assembly: Assembly;
  readonly tracing: Tracing;
  /** Limits of the raw records of one transaction. */
  readonly limits: { readonly maxRecords: number; readonly maxBytes: number };
  readonly topicLimits: Pick<TopicLimits, 'excessOf' | 'explain'>;
  readonly deployment: Pick<DeploymentWatch, 'current'>;
  readonly windowMs: number;
  /** Undefined: nothing is looked up. */
  readonly lookups: Pick<Lookups, 'complete'> | undefined;
};

/**
 * A prepared transaction. It does not hold the events: they would survive garbage collections while
 * the broker responds.
 */
export type Work = {
  /** Number of raw records. */
  readonly size: number;
  readonly journalRecord: JournalRecord;
  readonly counts: DecisionCounts;
  readonly transaction: Transaction;
  readonly trace: TransactionTrace;
};

/**
 * Returns the next transaction: as many of the records from the position on as it can hold,
 * decoded, decided and assembled; undefined if none are left. Has no side effects on the broker:
 * after an error the lease stays valid.
 * @throws AppError REGISTRY_UNAVAILABLE, LOOKUP_UNAVAILABLE, TOPIC_UNFIT; the rebalance error of
 * `heartbeat`
 */
export async function prepare(
  records: readonly InputRecord[],
  state: PartitionState,
  partition: number,
  heartbeat: () => Promise<void>,
  context: PrepareContext,
): Promise<Work | undefined> {
  const { rawDecoder, limits, lookups, topicLimits, assembly, tracing } = context;
  const slice = nextSlice(records, state.position, limits);
  if (slice.length === 0) return undefined;
  await whileBeating(rawDecoder.prepare(slice.map(({ value }) => value)), heartbeat);
  const decode = (record: InputRecord) => decodeRecord(record, rawDecoder);
  const completed = lookups
    ? await complete(slice.map(decode), state, lookups, heartbeat)
    : undefined;
  const nowMs = Date.now();
  const rules = context.rules();
  const { raw } = assembly.catalog;
  const trace = new TransactionTrace(tracing, { raw, partition, group: assembly.group });
  const assemble = (count: number, tooLarge?: DeadLetter) => {
    const taken = slice.slice(0, count);
    const decoded = completed?.slice(0, count) ?? taken.values().map(decode);
    const used = tooLarge ? { ...rules, tooLarge } : rules;
    return assembleWork(taken, decoded, state, partition, used, nowMs, trace, context);
  };
  for (let count = slice.length; ; count = Math.ceil(count / 2)) {
    const work = assemble(count);
    const excess = topicLimits.excessOf(work.transaction, nowMs);
    if (excess === undefined) return work;
    if (count > 1) continue;
    const letter = { stage: 'decide', reason: 'too-large-for-topic', path: '$' } as const;
    const parked = assemble(1, { ...letter, message: describeExcess(excess) });
    const remaining = topicLimits.excessOf(parked.transaction, nowMs);
    if (remaining === undefined) return parked;
    // Even the dead letter or the journal record is too large: an operator must increase that
    // topic's limit.
    const text = `raw offset ${slice[0]?.offset}: ${describeExcess(remaining)}`;
    throw new AppError('TOPIC_UNFIT', 'stop', text);
  }
}

/**
 * Decides and assembles. The decoded records may be a lazy iterator: what is read from a webhook is
 * several times its size, and is garbage before the next webhook is read.
 */
function assembleWork(
  records: readonly InputRecord[],
  decoded: Iterable<DecodedRecord>,
  state: PartitionState,
  partition: number,
  rules: Rules,
  nowMs: number,
  trace: TransactionTrace,
  { assembly, deployment, windowMs }: PrepareContext,
): Work {
  const builder = new TransactionBuilder(partition, rules.routes.version, nowMs, assembly);
  const counts = new DecisionCounts();
  const decisions = decide(decoded, state, rules, nowMs);
  let size = 0;
  let next = decisions.next();
  for (; !next.done; next = decisions.next()) {
    const record = records[size] as InputRecord;
    builder.add(record, next.value, trace.add(record, next.value));
    counts.add(next.value);
    size += 1;
  }
  const { identity, deployment: found } = deployment.current;
  const isDue = isDeploymentDue(state, found, nowMs, windowMs);
  const journalRecord = { ...next.value, identity, deployment: isDue ? found : null };
  return { size, journalRecord, counts, transaction: builder.finish(journalRecord), trace };
}

/**
 * Returns the next records from the position on, within the limits of one transaction; at least one
 * if there is any.
 */
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

/** Looks up what the publications lack. Repeats are left out, because they are dropped. */
async function complete(
  records: readonly DecodedRecord[],
  state: Pick<PartitionState, 'hasSeen'>,
  lookups: Pick<Lookups, 'complete'>,
  heartbeat: () => Promise<void>,
): Promise<readonly DecodedRecord[]> {
  const publications = records.flatMap(({ content, digest }) =>
    content.kind === 'publication' && !state.hasSeen(digest) ? [content] : [],
  );
  const found = await whileBeating(lookups.complete(publications), heartbeat);
  const completed = new Map(publications.map((publication, i) => [publication, found[i]]));
  return records.map((record) => {
    const content = record.content.kind === 'publication' && completed.get(record.content);
    return content ? { ...record, content } : record;
  });
}
