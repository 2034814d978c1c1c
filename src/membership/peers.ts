/**
 * The other processes of the group. When one of them dies, its members are taken out of the group at once, so that their partitions need not wait
 * for the end of a session. Whoever dies with its host, or hangs, is not seen here: that is what the session is for.
 */

import { messageOf } from '../errors.ts';
import type { Member } from '../kafka/admin.ts';
import type { ProcessIdentity } from '../kafka/member-metadata.ts';
import type { Log } from '../observability/log.ts';

export type PeersOptions = {
  /** Ourselves. */
  readonly own: ProcessIdentity;
  /** Who is in the group now, where that is known. */
  readonly members: () => Promise<readonly Member[] | undefined>;
  /** Resolves with true when it has died. */
  readonly waitForDeath: (identity: ProcessIdentity, signal: AbortSignal) => Promise<boolean>;
  /** Answers whether it was a member still. */
  readonly removeMember: (memberId: string) => Promise<boolean>;
  readonly log: Log;
};

export type Peers = {
  /** Watches those who are in the group now, and no others. First called before we join. */
  readonly look: () => Promise<void>;
  readonly stop: () => void;
};

/** A group has at most as many members as raw has partitions. */
const maxWatched = 256;

/** One process. */
type Watched = { memberIds: readonly string[]; readonly watch: AbortController };

export function createPeers(options: PeersOptions): Peers {
  const { own, members, waitForDeath, removeMember, log } = options;
  const watched = new Map<string, Watched>();
  /** Those that were found where we are, by name, and taken out once. */
  const doubted = new Set<string>();
  let isStopped = false;

  const removeMembers = async (memberIds: readonly string[], { host, port }: ProcessIdentity) => {
    for (const memberId of memberIds) {
      try {
        // Every neighbour asks for it; the first is answered with true.
        if (!(await removeMember(memberId))) continue;
        log.warn({ memberId, host, port }, 'a processor has died and is taken out of the group');
      } catch (error) {
        const facts = { memberId, host, port, err: error };
        log.warn(facts, 'a processor has died, its partitions wait for the end of its session');
      }
    }
  };

  const watch = async (identity: ProcessIdentity, one: Watched) => {
    const hasDied = await waitForDeath(identity, one.watch.signal);
    if (watched.get(identity.name) === one) watched.delete(identity.name);
    if (hasDied && !isStopped) await removeMembers(one.memberIds, identity);
  };

  /** In our network we could not listen there if it lived. One that joins again under the same name lives all the same, in another network. */
  const doubt = async (name: string, identity: ProcessIdentity, memberIds: readonly string[]) => {
    if (!doubted.has(name)) {
      doubted.add(name);
      return removeMembers(memberIds, identity);
    }
    const { host, port, hostname } = identity;
    const text =
      'another processor lives under our own address and host name: give each host a name of its own, or a death of one of them is seen only by the end of its session';
    log.warn({ host, port, hostname }, text);
  };

  const look = async () => {
    const now = await members();
    if (now === undefined || isStopped) return;
    const byName = Map.groupBy(now, ({ identity }) => identity?.name);
    for (const [name, { watch }] of watched) {
      if (byName.has(name)) continue;
      watch.abort();
      watched.delete(name);
    }
    for (const [name, list] of byName) {
      const [{ identity } = {}] = list;
      if (name === undefined || identity === undefined || name === own.name) continue;
      const memberIds = list.map(({ memberId }) => memberId);
      const known = watched.get(name);
      if (known) known.memberIds = memberIds;
      else if (isSameAddress(identity, own)) await doubt(name, identity, memberIds);
      // Any member of the group can name an address: bound the number of connections.
      else if (watched.size >= maxWatched) continue;
      else {
        const one: Watched = { memberIds, watch: new AbortController() };
        watched.set(name, one);
        void watch(identity, one);
      }
    }
  };

  /** One after the other: an earlier answer must not come last. */
  let looking = Promise.resolve();
  return {
    look: () => {
      looking = looking.then(look).catch((error: unknown) => {
        log.info({ reason: messageOf(error) }, 'the neighbours are not known');
      });
      return looking;
    },
    stop: () => {
      isStopped = true;
      for (const { watch } of watched.values()) watch.abort();
    },
  };
}

function isSameAddress(one: ProcessIdentity, other: ProcessIdentity): boolean {
  return one.host === other.host && one.port === other.port && one.hostname === other.hostname;
}
