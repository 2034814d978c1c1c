/**
 * Leader election: the right to do something that one instance of a deployment does at a time. The
 * leader is the member of a consumer group that is assigned the only partition of a topic; nothing
 * is read. If it dies, the next member leads after the session.
 */

import { AppError } from '../errors.ts';
import type { Client } from '../kafka/client.ts';
import { type Group, joinGroup } from '../kafka/group.ts';
import type { Log } from '../observability/log.ts';

export type LeadershipOptions = {
  readonly group: string;
  readonly topic: string;
  readonly sessionTimeoutMs: number;
  /** Called at each rebalance, with whether this instance leads. */
  readonly onElected: (isLeader: boolean) => void;
};

const membership = {
  isPaused: true,
  isEndedByDenial: true,
  maxFetchBytes: 1_024,
  fetchWaitMs: 1_000,
  concurrency: 1,
};

export class Leadership {
  readonly #name: string;
  #group: Group | undefined;
  #isHeld = false;
  #changed = Promise.withResolvers<void>();

  private constructor(name: string) {
    this.#name = name;
  }

  /** Joins the group. @throws AppError */
  static async join(client: Client, options: LeadershipOptions, log: Log): Promise<Leadership> {
    const leadership = new Leadership(options.group);
    const handlers = {
      onAssigned: (partitions: readonly number[]) => {
        leadership.#set(partitions.includes(0));
        options.onElected(leadership.isHeld);
      },
      onLost: () => {
        leadership.#isHeld = false;
      },
      onBatch: async () => {},
    };
    leadership.#group = await joinGroup(client, { ...options, ...membership }, handlers, log);
    return leadership;
  }

  get isHeld(): boolean {
    return this.#isHeld;
  }

  /** Settles when this instance leads. @throws AppError if it cannot stay in the group */
  async acquired(): Promise<void> {
    while (!this.#isHeld) await this.nextElection();
  }

  /**
   * Waits for the end of a rebalance, if there is one. @throws AppError FENCED if another instance
   * leads now
   */
  async expectHeld(): Promise<void> {
    if (this.#isHeld) return;
    await this.nextElection();
    if (this.#isHeld) return;
    throw new AppError('FENCED', 'stop', `another instance leads the group ${this.#name} now`);
  }

  /** Settles at the end of the next rebalance. @throws AppError if it cannot stay in the group */
  async nextElection(): Promise<void> {
    await Promise.race([this.#changed.promise, this.#group?.ended]);
  }

  async release(): Promise<void> {
    this.#isHeld = false;
    await this.#group?.leave();
  }

  #set(isHeld: boolean): void {
    this.#isHeld = isHeld;
    const { resolve } = this.#changed;
    this.#changed = Promise.withResolvers();
    resolve();
  }
}
