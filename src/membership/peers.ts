/**
 * Watches the other processes of the group. When one of them dies, its members are removed from the
 * group at once, so that their partitions need not wait for the end of a session. A process that
 * dies with its host, or hangs, is not noticed here: for that there is the session time-out.
 */

import { SerialQueue } from '../concurrency/serial-queue.ts';
import { messageOf } from '../errors.ts';
import type { Member } from '../kafka/admin.ts';
import type { ProcessIdentity } from '../kafka/member-metadata.ts';
import type { Log } from '../observability/log.ts';
import { removalFailed } from './remove-member.ts';

export type PeersOptions = {
  /** This process. */
  readonly own: ProcessIdentity;
  /** Returns the members of the group; undefined while they are not known. */
  readonly members: () => Promise<readonly Member[] | undefined>;
  /** Resolves with true when the process has died. */
  readonly waitForDeath: (identity: ProcessIdentity, signal: AbortSignal) => Promise<boolean>;
  /** Returns whether it was still a member. */
  readonly removeMember: (memberId: string) => Promise<boolean>;
  readonly log: Log;
};

/** Limits the connections, because any member of the group can name an address. */
const maxWatched = 256;

/** A watched process with its members. */
type Watched = { memberIds: readonly string[]; readonly watch: AbortController };

export class Peers {
  readonly #options: PeersOptions;
  readonly #watched = new Map<string, Watched>();
  /** Names of processes that were found at our own address, and were removed once. */
  readonly #doubted = new Set<string>();
  /** Updates run one after the other, so that an older result does not come last. */
  readonly #updates = new SerialQueue();
  #isStopped = false;

  constructor(options: PeersOptions) {
    this.#options = options;
  }

  /**
   * Watches the current members of the group, and no others. Call it before joining, and after each
   * rebalance.
   */
  async update(): Promise<void> {
    await this.#updates
      .run(() => this.#update())
      .catch((error: unknown) => {
        this.#options.log.info(
          { reason: messageOf(error) },
          'the members of the group are not known',
        );
      });
  }

  stop(): void {
    this.#isStopped = true;
    for (const { watch } of this.#watched.values()) watch.abort();
  }

  async #update(): Promise<void> {
    const { own, members } = this.#options;
    const now = await members();
    if (now === undefined || this.#isStopped) return;
    const byName = Map.groupBy(now, ({ identity }) => identity?.name);
    for (const [name, { watch }] of this.#watched) {
      if (byName.has(name)) continue;
      watch.abort();
      this.#watched.delete(name);
    }
    for (const [name, list] of byName) {
      const [{ identity } = {}] = list;
      if (name === undefined || identity === undefined || name === own.name) continue;
      const memberIds = list.map(({ memberId }) => memberId);
      const known = this.#watched.get(name);
      if (known) known.memberIds = memberIds;
      else if (isSameAddress(identity, own)) await this.#doubt(identity, memberIds);
      else if (this.#watched.size < maxWatched) void this.#watch(identity, memberIds);
    }
  }

  async #watch(identity: ProcessIdentity, memberIds: readonly string[]): Promise<void> {
    const one: Watched = { memberIds, watch: new AbortController() };
    this.#watched.set(identity.name, one);
    const hasDied = await this.#options.waitForDeath(identity, one.watch.signal);
    if (this.#watched.get(identity.name) === one) this.#watched.delete(identity.name);
    if (hasDied && !this.#isStopped) await this.#removeMembers(one.memberIds, identity);
  }

  /**
   * Handles a process at our own address: in our network it must be dead, or we could not listen
   * there. If it rejoins under the same name, it lives in another network.
   */
  async #doubt(identity: ProcessIdentity, memberIds: readonly string[]): Promise<void> {
    const { name, host, port, hostname } = identity;
    if (!this.#doubted.has(name)) {
      this.#doubted.add(name);
      return this.#removeMembers(memberIds, identity);
    }
    const text =
      'another processor has our own address and host name: give each host a name of its own. Until then a death of one of them is noticed only by the end of its session';
    this.#options.log.warn({ host, port, hostname }, text);
  }

  async #removeMembers(memberIds: readonly string[], identity: ProcessIdentity): Promise<void> {
    const { removeMember, log } = this.#options;
    const { host, port } = identity;
    for (const memberId of memberIds) {
      try {
        // Every peer tries it; the first one gets true.
        if (!(await removeMember(memberId))) continue;
        log.warn({ memberId, host, port }, 'a processor has died and was removed from the group');
      } catch (error) {
        log.warn({ memberId, host, port, err: error }, removalFailed);
      }
    }
  }
}

function isSameAddress(one: ProcessIdentity, other: ProcessIdentity): boolean {
  return one.host === other.host && one.port === other.port && one.hostname === other.hostname;
}
