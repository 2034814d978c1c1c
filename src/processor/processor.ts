/**
 * The processor. For each batch of a partition it prepares transactions (`prepare.ts`: decode,
 * decide, assemble) and commits them one after the other, under the partition's lease (`lease.ts`).
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { exponentialBackoff } from '../concurrency/retry.ts';
import { deadLetterReasons } from '../dead-letters/letter.ts';
import { AppError, messageOf } from '../errors.ts';
import { asAppError, isRebalance } from '../kafka/failure.ts';
import type { InputBatch } from '../kafka/group.ts';
import type { Health } from '../observability/health.ts';
import { whileBeating } from './heartbeat.ts';
import { type Lease, type LeaseContext, takeLease } from './lease.ts';
import { Linger } from './linger.ts';
import { type PrepareContext, prepare, type Work } from './prepare.ts';

export type ProcessorContext = LeaseContext & PrepareContext & { readonly health: Health };

/**
 * Failures in a row on one batch before it goes back to KafkaJS: with the backoff below, about 30
 * s.
 */
const maxFailures = 12;

/** 100, 200, 400 … 5,000 ms. */
const backoff = exponentialBackoff(100, 5_000);

export class Processor {
  readonly #context: ProcessorContext;
  /**
   * A partition that stays assigned over a rebalance keeps its lease and its state. If another
   * member took it meanwhile, the lease is fenced.
   */
  readonly #leases = new Map<number, Lease>();
  /**
   * Why partitions cannot make progress now. Kept by partition, so that one that works does not
   * hide one that fails.
   */
  readonly #troubles = new Map<number, string>();
  readonly #linger = new Linger();

  constructor(context: ProcessorContext) {
    this.#context = context;
    const { transactions, events } = context.metrics;
    for (const outcome of ['committed', 'failed', 'fenced']) transactions.inc({ outcome }, 0);
    for (const reason of deadLetterReasons) events.inc({ outcome: 'dead-letter', reason }, 0);
  }

  onAssigned(partitions: readonly number[]): void {
    const { metrics, log, health } = this.#context;
    metrics.rebalances.inc();
    metrics.lastRebalance.setToCurrentTime();
    metrics.partitions.set(partitions.length);
    log.info({ partitions }, 'joined the group');
    health.ready('group');
    // A partition that failed until KafkaJS rejoined is not healthy because of that: only a commit
    // shows it.
    for (const partition of this.#troubles.keys()) {
      if (!partitions.includes(partition)) this.#troubles.delete(partition);
    }
    this.#showTroubles();
    for (const partition of this.#leases.keys()) {
      if (!partitions.includes(partition)) void this.#drop(partition);
    }
  }

  /** Returns the positions of the partitions whose lease is held. */
  positions(): ReadonlyMap<number, number> {
    return new Map([...this.#leases].map(([partition, { state }]) => [partition, state.position]));
  }

  onLost(reason: string): void {
    this.#context.health.notReady('group', reason);
  }

  async onBatch(batch: InputBatch): Promise<void> {
    let failures = 0;
    for (let rest = batch.records; rest.length > 0 && batch.isWanted(); ) {
      try {
        const { state, lingerMs } = await this.#processSome(batch, rest, failures > 0);
        // Records below the position were fetched before the lease was taken: another member has
        // processed them.
        rest = rest.filter(({ offset }) => Number(offset) >= state.position);
        batch.resolve(state.position - 1);
        if (this.#troubles.delete(batch.partition)) this.#showTroubles();
        failures = 0;
        if (lingerMs > 0) await sleep(lingerMs);
      } catch (error) {
        if (isRebalance(error)) throw error;
        failures += 1;
        await this.#surviveOrThrow(error, failures, batch);
      }
      await batch.heartbeat();
    }
  }

  /** Releases every lease. */
  async close(): Promise<void> {
    await Promise.all([...this.#leases.keys()].map((partition) => this.#drop(partition)));
  }

  /** Commits one transaction with the next records, if there are any above the position. */
  async #processSome(batch: InputBatch, rest: InputBatch['records'], hasFailed: boolean) {
    const { partition, heartbeat } = batch;
    // After the fetch: if the topics are still the same now, the records came from the log to which
    // the position belongs.
    await whileBeating(this.#context.deployment.verify(), heartbeat);
    const reason = hasFailed ? 'failed' : 'assigned';
    const lease =
      this.#leases.get(partition) ?? (await takeLease(partition, reason, heartbeat, this.#context));
    this.#leases.set(partition, lease);
    const { state } = lease;
    const work = await prepare(rest, state, partition, heartbeat, this.#context);
    return { state, lingerMs: work ? await this.#commit(lease, work, batch) : 0 };
  }

  /**
   * Commits one transaction. Only then does its journal record become part of the state. Returns
   * how long to wait for more records, in milliseconds.
   */
  async #commit(lease: Lease, work: Work, batch: InputBatch): Promise<number> {
    const startedAt = performance.now();
    try {
      await lease.producer.commit(work.transaction);
    } catch (error) {
      work.trace.end(work.size, work.journalRecord.to, messageOf(error));
      // The outcome is unknown, so nothing of this lease may be used again.
      await this.#drop(batch.partition);
      throw await this.#context.topicLimits.explain(error, work.transaction);
    }
    work.trace.end(work.size, work.journalRecord.to);
    const commitMs = performance.now() - startedAt;
    lease.state.apply(work.journalRecord);
    this.#count(lease, work, batch, commitMs);
    const isCaughtUp = lease.state.position >= batch.highWatermark;
    return this.#linger.after(commitMs, work.size, isCaughtUp);
  }

  #count({ state }: Lease, work: Work, batch: InputBatch, commitMs: number): void {
    const { metrics } = this.#context;
    const { partition } = batch;
    metrics.transactions.inc({ outcome: 'committed' });
    metrics.transactionSeconds.observe(commitMs / 1_000);
    metrics.transactionRecords.observe(work.size);
    metrics.dedupEntries.set({ partition }, state.size);
    const ageSeconds = (Date.now() - work.journalRecord.receivedUntil) / 1_000;
    metrics.endToEndSeconds.observe(ageSeconds);
    for (const [outcome, reasons] of work.counts.events) {
      for (const [reason, number] of reasons) metrics.events.inc({ outcome, reason }, number);
    }
    for (const [topic, number] of work.counts.topics) metrics.recordsOut.inc({ topic }, number);
  }

  /** Waits and returns, so that the caller retries; or throws what must end this batch. */
  async #surviveOrThrow(error: unknown, failures: number, batch: InputBatch): Promise<void> {
    const { partition, heartbeat } = batch;
    const { metrics, log } = this.#context;
    const failure = asAppError(error, `process partition ${partition}`);
    this.#troubles.set(partition, `partition ${partition}: ${failure.message}`);
    this.#showTroubles();
    const outcome = failure.recovery === 'give-up-lease' ? 'fenced' : 'failed';
    metrics.transactions.inc({ outcome });
    if (failure.recovery === 'stop') throw failure;
    if (failures >= maxFailures) {
      const text = `partition ${partition} failed ${failures} times in a row, last: ${failure.message}`;
      throw new AppError(failure.code, 'retry', text, failure);
    }
    const waitMs = backoff(failures);
    log.warn({ err: failure, partition, failures, waitMs }, 'the batch failed and is retried');
    await whileBeating(sleep(waitMs), heartbeat);
  }

  async #drop(partition: number): Promise<void> {
    const { metrics } = this.#context;
    const lease = this.#leases.get(partition);
    this.#leases.delete(partition);
    metrics.dedupEntries.remove({ partition });
    await lease?.producer.close();
  }

  #showTroubles(): void {
    const { health } = this.#context;
    if (this.#troubles.size === 0) health.ready('partitions');
    else health.notReady('partitions', [...this.#troubles.values()].join('; '));
  }
}
