/**
 * Watches the logs of the deployment: how far the processing of raw is behind, and how long an open
 * transaction hides records from read_committed consumers. Partition p of an output is watched by
 * the member that is assigned partition `p % partitions` of raw, so each has one watcher.
 */

import { messageOf } from '../errors.ts';
import type { Admin } from '../kafka/admin.ts';
import type { TopicPartition } from '../kafka/list-offsets.ts';
import type { LogReader, PartitionEnds } from '../kafka/log-reader.ts';
import type { Log } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';

type Options = {
  readonly reader: Pick<LogReader, 'ends' | 'openTransactions' | 'recordAt'>;
  readonly admin: Pick<Admin, 'identify' | 'committedOffsets'>;
  readonly group: string;
  readonly raw: string;
  /** Partitions of raw. */
  readonly partitions: number;
  /** Every topic of the deployment; routes may add some. */
  readonly topics: () => readonly string[];
  /** Returns the positions of the partitions whose lease is held. */
  readonly positions: () => ReadonlyMap<number, number>;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly everyMs?: number;
  readonly reportAfterMs?: number;
};

const pollEveryMs = 5_000;

/** Longer than any transaction of a healthy processor, and than a takeover of its partition. */
const defaultReportAfterMs = 30_000;

type Still = {
  readonly lastStable: number;
  readonly sinceMs: number;
  isReported: boolean;
};

type Pending = { readonly position: number; readonly arrivedAtMs: number };

export class LogWatch {
  readonly #options: Options;
  readonly #timer: NodeJS.Timeout;
  #assigned: readonly number[] = [];
  #isPolling = false;
  /** By "topic/partition": last stable offsets that stand still below the end of the log. */
  readonly #still = new Map<string, Still>();
  /** By partition of raw: the oldest record that is not processed. */
  readonly #pending = new Map<number, Pending>();

  constructor(options: Options) {
    this.#options = options;
    options.metrics.rawPartitions.set(options.partitions);
    this.#timer = setInterval(() => void this.#poll(), options.everyMs ?? pollEveryMs);
  }

  onAssigned(partitions: readonly number[]): void {
    this.#assigned = partitions;
    const { lagRecords, lagSeconds, openTransactionSeconds } = this.#options.metrics;
    // Their new owner reports them.
    for (const gauge of [lagRecords, lagSeconds, openTransactionSeconds]) gauge.reset();
    this.#still.clear();
    this.#pending.clear();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  async #poll(): Promise<void> {
    if (this.#isPolling || this.#assigned.length === 0) return;
    this.#isPolling = true;
    const assigned = this.#assigned;
    try {
      const { admin, raw, topics, reader } = this.#options;
      const found = [...(await admin.identify(topics()))];
      const outputs = found.filter(([topic]) => topic !== raw);
      const watched = outputs.flatMap(([topic, { partitions }]) =>
        this.#watchedOf(topic, partitions, assigned),
      );
      const ofRaw = assigned.map((partition) => ({ topic: raw, partition }));
      const ends = await reader.ends([...ofRaw, ...watched]);
      // A rebalance meanwhile makes these figures another member's.
      if (assigned !== this.#assigned) return;
      await this.#showLag(ends.filter(({ topic }) => topic === raw));
      this.#showOpen(ends.filter(({ topic }) => topic !== raw));
    } catch (error) {
      // While Kafka cannot be reached, /readyz and the log of the processor say so.
      this.#options.log.debug({ err: error }, 'could not read the ends of the logs');
    } finally {
      this.#isPolling = false;
    }
  }

  #watchedOf(topic: string, count: number, assigned: readonly number[]): readonly TopicPartition[] {
    return Array.from({ length: count }, (_, partition) => ({ topic, partition })).filter(
      ({ partition }) => assigned.includes(partition % this.#options.partitions),
    );
  }

  async #showLag(ends: readonly PartitionEnds[]): Promise<void> {
    const { admin, group, raw, positions, metrics } = this.#options;
    const held = positions();
    const isKnown = ends.every(({ partition }) => held.has(partition));
    const committed = isKnown ? held : await admin.committedOffsets(group, raw);
    for (const { partition, highWatermark } of ends) {
      const position = held.get(partition) ?? committed.get(partition) ?? 0;
      const arrivedAtMs = await this.#arrivalOf(partition, position, highWatermark);
      const lagSeconds = arrivedAtMs === undefined ? 0 : (Date.now() - arrivedAtMs) / 1_000;
      metrics.lagRecords.set({ partition }, Math.max(0, highWatermark - position));
      metrics.lagSeconds.set({ partition }, Math.max(0, lagSeconds));
    }
  }

  /** Returns the arrival of the oldest record that is not processed; undefined if all are. */
  async #arrivalOf(partition: number, position: number, end: number): Promise<number | undefined> {
    if (position >= end) {
      this.#pending.delete(partition);
      return undefined;
    }
    const known = this.#pending.get(partition);
    if (known?.position === position) return known.arrivedAtMs;
    const place = { topic: this.#options.raw, partition, offset: position };
    const record = await this.#options.reader.recordAt(place);
    if (record === undefined) return undefined;
    const arrivedAtMs = record.timestampMs;
    this.#pending.set(partition, { position, arrivedAtMs });
    return arrivedAtMs;
  }

  #showOpen(ends: readonly PartitionEnds[]): void {
    const now = performance.now();
    const worst = new Map<string, number>();
    for (const end of ends) {
      const stillMs = this.#stillFor(end, now);
      worst.set(end.topic, Math.max(worst.get(end.topic) ?? 0, stillMs));
    }
    const { openTransactionSeconds } = this.#options.metrics;
    for (const [topic, ms] of worst) openTransactionSeconds.set({ topic }, ms / 1_000);
  }

  /** Returns how long the last stable offset has stood still below the end, in milliseconds. */
  #stillFor({ topic, partition, lastStable, highWatermark }: PartitionEnds, now: number): number {
    const key = `${topic}/${partition}`;
    const known = this.#still.get(key);
    const isOpen = lastStable < highWatermark;
    const isSame = isOpen && known?.lastStable === lastStable;
    if (known?.isReported && !isSame) {
      this.#options.log.info({ topic, partition, lastStable }, 'the transaction has ended');
    }
    if (!isOpen) {
      this.#still.delete(key);
      return 0;
    }
    const still = isSame ? known : { lastStable, sinceMs: now, isReported: false };
    this.#still.set(key, still);
    const stillMs = now - still.sinceMs;
    const { reportAfterMs = defaultReportAfterMs } = this.#options;
    if (stillMs >= reportAfterMs && !still.isReported) {
      still.isReported = true;
      void this.#report({ topic, partition }, lastStable, stillMs);
    }
    return stillMs;
  }

  async #report(place: TopicPartition, lastStable: number, stillMs: number): Promise<void> {
    const { reader, log } = this.#options;
    const transactions = await reader.openTransactions(place).then(
      (open) =>
        open.map(({ transactionalId, producerId, startOffset }) => ({
          transactionalId: transactionalId ?? 'not told by the brokers',
          producerId: String(producerId),
          startOffset,
        })),
      (error: unknown) => messageOf(error),
    );
    log.warn(
      { ...place, lastStable, seconds: Math.round(stillMs / 1_000), transactions },
      'an open transaction hides records from read_committed consumers: see docs/runbooks/open-transaction.md',
    );
  }
}
