/**
 * The right to reconcile, which one instance of a deployment has at a time: the only partition of
 * the reconcile topic, in a consumer group of its own. If its owner dies, the next one gets it
 * after the session.
 */

import { AppError } from '../errors.ts';
import type { Client } from '../kafka/client.ts';
import { type Group, type InputBatch, joinGroup } from '../kafka/group.ts';
import type { Log } from '../observability/log.ts';

type LeaseOptions = {
  readonly group: string;
  readonly topic: string;
  readonly sessionTimeoutMs: number;
};

/** Little is read: the topic gives the group its partition. */
const fetching = { maxFetchBytes: 64 * 1024, fetchWaitMs: 1_000, concurrency: 1 };

export class ReconcileLease {
  readonly #onWaiting: () => void;
  #group: Group | undefined;
  #isHeld = false;
  #changed = Promise.withResolvers<void>();

  private constructor(onWaiting: () => void) {
    this.#onWaiting = onWaiting;
  }

  /**
   * Joins the group.
   * @param onWaiting called while another instance reconciles
   * @throws AppError
   */
  static async join(
    client: Client,
    options: LeaseOptions,
    log: Log,
    onWaiting: () => void,
  ): Promise<ReconcileLease> {
    const lease = new ReconcileLease(onWaiting);
    const handlers = {
      onAssigned: (partitions: readonly number[]) => lease.#set(partitions.includes(0)),
      onLost: () => {
        lease.#isHeld = false;
      },
      onBatch: async ({ records, resolve }: InputBatch) => {
        resolve(Number(records.at(-1)?.offset ?? 0));
      },
    };
    lease.#group = await joinGroup(client, { ...options, ...fetching }, handlers, log);
    return lease;
  }

  /** Settles when this instance has the lease. @throws AppError if the group cannot be joined */
  async acquired(): Promise<void> {
    const ended = this.#group?.ended;
    while (!this.#isHeld) {
      const { promise } = this.#changed;
      await Promise.race([promise, ended]);
      if (!this.#isHeld) this.#onWaiting();
    }
  }

  /**
   * Waits for the end of a rebalance, if there is one. @throws AppError FENCED if another instance
   * has the lease now
   */
  async expectHeld(): Promise<void> {
    if (this.#isHeld) return;
    await Promise.race([this.#changed.promise, this.#group?.ended]);
    if (this.#isHeld) return;
    throw new AppError('FENCED', 'stop', 'another instance reconciles this deployment now');
  }

  async release(): Promise<void> {
    await this.#group?.leave();
  }

  #set(isHeld: boolean): void {
    this.#isHeld = isHeld;
    const { resolve } = this.#changed;
    this.#changed = Promise.withResolvers();
    resolve();
  }
}
