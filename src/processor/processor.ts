/**
 * The processor: takes the raw records of the partitions that the group gives it, and for each batch
 * prepares transactions (`prepare.ts`: decode, decide, assemble) and commits them, one after the other, under the partition's lease (`lease.ts`).
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { AppError } from '../errors.ts';
import { asAppError, isRebalance } from '../kafka/failure.ts';
import type { InputBatch } from '../kafka/group.ts';
import type { Health } from '../observability/health.ts';
import type { DecisionCounts } from './decision-counts.ts';
import { whileBeating } from './heartbeat.ts';
import { type Lease, type LeaseContext, takeLease } from './lease.ts';
import { Linger } from './linger.ts';
import { type PrepareContext, prepare, type Work } from './prepare.ts';
import { explained } from './topic-limits.ts';

export type ProcessorContext = LeaseContext & PrepareContext & { readonly health: Health };

/** Failures in a row on one batch before it is given back to KafkaJS: with the waits below, about 30 s. */
const maxFailures = 12;
const longestWaitMs = 5_000;
const betweenHeartbeatsMs = 1_000;

export type Processor = {
  readonly onAssigned: (partitions: readonly number[]) => void;
  readonly onBatch: (batch: InputBatch) => Promise<void>;
  readonly onLost: (reason: string) => void;
  /** Gives every lease back. */
  readonly close: () => Promise<void>;
};

export function createProcessor(context: ProcessorContext): Processor {
  const { metrics, health, log } = context;
  for (const outcome of ['committed', 'failed', 'fenced']) metrics.transactions.inc({ outcome }, 0);
  /** What we hold. A partition that stays ours over a rebalance keeps its lease and its memory: if another took it meanwhile, ours is fenced. */
  const leases = new Map<number, Lease>();
  /** Partitions that can not go on now, and why: one that goes on must not hide another that does not. */
  const troubles = new Map<number, string>();
  const linger = new Linger();
  const showTroubles = () => {
    if (troubles.size === 0) health.ready('partitions');
    else health.notReady('partitions', [...troubles.values()].join('; '));
  };

  const drop = async (partition: number) => {
    const lease = leases.get(partition);
    leases.delete(partition);
    metrics.dedupEntries.remove({ partition });
    metrics.lagRecords.remove({ partition });
    metrics.lagSeconds.remove({ partition });
    await lease?.producer.close();
  };

  /** Answers how long to wait for more records, in milliseconds. */
  const commitOrDrop = async (lease: Lease, work: Work, batch: InputBatch) => {
    const commitMs = await commit(lease, work, batch, context).catch(async (error: unknown) => {
      // The outcome is unknown: nothing of this lease may be used again.
      await drop(batch.partition);
      throw await explained(error, work.transaction, context.topicLimits);
    });
    return linger.after(commitMs, work.size, lease.state.position >= batch.highWatermark);
  };

  const onBatch = async (batch: InputBatch) => {
    const { partition } = batch;
    let failures = 0;
    for (let rest = batch.records; rest.length > 0 && batch.isWanted(); ) {
      try {
        // After the fetch: if the topics are still the same now, the records came from the log to which the position belongs.
        await whileBeating(context.deployment.verify(), batch.heartbeat);
        const lease =
          leases.get(partition) ??
          (await takeLease(
            partition,
            failures > 0 ? 'failed' : 'assigned',
            batch.heartbeat,
            context,
          ));
        leases.set(partition, lease);
        const work = await prepare(rest, lease.state, partition, batch.heartbeat, context);
        const lingerMs = work ? await commitOrDrop(lease, work, batch) : 0;
        // Records below the position were fetched before the lease was taken: another has processed them.
        rest = rest.filter(({ offset }) => Number(offset) >= lease.state.position);
        batch.resolve(lease.state.position - 1);
        if (troubles.delete(partition)) showTroubles();
        failures = 0;
        if (lingerMs > 0) await sleep(lingerMs);
      } catch (error) {
        if (isRebalance(error)) throw error;
        failures += 1;
        const failure = asAppError(error, `process partition ${partition}`);
        troubles.set(partition, `partition ${partition}: ${failure.message}`);
        showTroubles();
        await surviveOrThrow(failure, failures, batch, context);
      }
      await batch.heartbeat();
    }
  };

  return {
    onBatch,
    onAssigned: (partitions) => {
      metrics.rebalances.inc();
      metrics.partitions.set(partitions.length);
      log.info({ partitions }, 'joined the group');
      health.ready('group');
      // A batch that failed until KafkaJS joined again is not well because of it: only a commit says that.
      for (const partition of troubles.keys()) {
        if (!partitions.includes(partition)) troubles.delete(partition);
      }
      showTroubles();
      for (const partition of leases.keys()) {
        if (!partitions.includes(partition)) void drop(partition);
      }
    },
    onLost: (reason) => health.notReady('group', reason),
    close: async () => {
      await Promise.all([...leases.keys()].map(drop));
    },
  };
}

/** One transaction. Only when it is committed does its batch become part of the state. Answers how long the commit took, in milliseconds. */
async function commit(
  { producer, state }: Lease,
  { size, batch, counts, transaction, giveBack }: Work,
  { partition, highWatermark }: InputBatch,
  context: ProcessorContext,
): Promise<number> {
  const { metrics } = context;
  const startedAt = performance.now();
  await producer.commit(transaction);
  const commitMs = performance.now() - startedAt;
  giveBack();
  state.apply(batch);
  metrics.transactions.inc({ outcome: 'committed' });
  metrics.transactionSeconds.observe(commitMs / 1_000);
  metrics.transactionRecords.observe(size);
  metrics.dedupEntries.set({ partition }, state.size);
  metrics.lagRecords.set({ partition }, Math.max(0, highWatermark - state.position));
  const committedAt = Date.now();
  metrics.lagSeconds.set({ partition }, (committedAt - batch.receivedUntil) / 1_000);
  metrics.endToEndSeconds.observe((committedAt - batch.receivedUntil) / 1_000);
  count(counts, context);
  return commitMs;
}

function count({ events, topics }: DecisionCounts, { metrics }: ProcessorContext): void {
  for (const [outcome, reasons] of events) {
    for (const [reason, number] of reasons) metrics.events.inc({ outcome, reason }, number);
  }
  for (const [topic, number] of topics) metrics.recordsOut.inc({ topic }, number);
}

/** Waits and lets the caller try again, or throws what must end this batch. */
async function surviveOrThrow(
  failure: AppError,
  failures: number,
  { partition, heartbeat }: InputBatch,
  { metrics, log }: ProcessorContext,
): Promise<void> {
  metrics.transactions.inc({ outcome: failure.recovery === 'give-up-lease' ? 'fenced' : 'failed' });
  if (failure.recovery === 'stop') throw failure;
  if (failures >= maxFailures) {
    const text = `partition ${partition} failed ${failures} times in a row, last: ${failure.message}`;
    throw new AppError(failure.code, 'retry', text, failure);
  }
  // 100, 200, 400 … 5,000 ms: 12 failures take about 30 s.
  const waitMs = Math.min(longestWaitMs, 100 * 2 ** (failures - 1));
  log.warn({ err: failure, partition, failures, waitMs }, 'the batch failed and is tried again');
  for (let leftMs = waitMs; leftMs > 0; leftMs -= betweenHeartbeatsMs) {
    await sleep(Math.min(leftMs, betweenHeartbeatsMs));
    await heartbeat();
  }
}
