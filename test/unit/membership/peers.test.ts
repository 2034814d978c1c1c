import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { Member } from '../../../src/kafka/admin.ts';
import { Peers } from '../../../src/membership/peers.ts';
import { createLog } from '../../../src/observability/log.ts';

/** Processes a and b have different addresses; a and a@later have the same. */
const identityOf = (name: string) => ({
  host: `10.0.0.${name.charCodeAt(0)}`,
  port: 9464,
  hostname: `pod-${name.charAt(0)}`,
  name,
});

/** A group whose members join and whose processes die when the test says so. */
function aGroup() {
  let members: readonly Member[] | undefined = [];
  let problem: Error | undefined;
  const watched = new Map<string, (hasDied: boolean) => void>();
  const removed: string[] = [];
  const peers = new Peers({
    own: identityOf('own'),
    members: async () => {
      if (problem) throw problem;
      return members;
    },
    waitForDeath: ({ name }, signal) =>
      new Promise((resolve) => {
        const end = (hasDied: boolean) => {
          watched.delete(name);
          resolve(hasDied);
        };
        watched.set(name, end);
        signal.addEventListener('abort', () => end(false));
      }),
    removeMember: async (memberId) => {
      removed.push(memberId);
      if (memberId.includes('unlucky')) throw new Error('the coordinator is unreachable');
      return true;
    },
    log: createLog('silent', 'processor'),
  });
  return {
    update: () => peers.update(),
    stop: () => peers.stop(),
    join: async (...names: readonly string[]) => {
      members = names.map((name) => {
        const [process = ''] = name.split('/');
        return { memberId: name, identity: identityOf(process) };
      });
      await peers.update();
    },
    /** An update while the group rebalances: its members are not known. */
    updateWhileRebalancing: async () => {
      members = undefined;
      await peers.update();
    },
    fail: (error: Error | undefined) => {
      problem = error;
    },
    die: async (name: string) => {
      watched.get(name)?.(true);
      await turn();
    },
    watched: () => [...watched.keys()].sort(),
    removed,
  };
}

test('all members of a dead process are removed; our own process is not watched', async () => {
  const group = aGroup();
  await group.join('own/1', 'own/2', 'b/1', 'b/2', 'c/1');
  expect(group.watched()).toEqual(['b', 'c']);
  await group.die('b');
  expect(group.removed).toEqual(['b/1', 'b/2']);
  expect(group.watched()).toEqual(['c']);
});

test('a process that left is not watched any more; one that stays is watched under its new member ids', async () => {
  const group = aGroup();
  await group.join('own/1', 'b/1', 'c/1');
  await group.join('own/1', 'c/2');
  expect(group.watched()).toEqual(['c']);
  await group.die('c');
  expect(group.removed).toEqual(['c/2']);
});

test('while the members are not known, the known processes are still watched', async () => {
  const group = aGroup();
  await group.join('own/1', 'b/1');
  await group.updateWhileRebalancing();
  group.fail(new Error('the coordinator is unreachable'));
  await group.update();
  expect(group.watched()).toEqual(['b']);
  group.fail(undefined);
  await group.join('own/1', 'b/1', 'c/1');
  expect(group.watched()).toEqual(['b', 'c']);
});

test('a member that cannot be removed does not keep the others from being removed', async () => {
  const group = aGroup();
  await group.join('own/1', 'b/unlucky', 'b/2');
  await group.die('b');
  expect(group.removed).toEqual(['b/unlucky', 'b/2']);
});

test('after stop() no process is watched and no member removed', async () => {
  const group = aGroup();
  await group.join('own/1', 'b/1');
  group.stop();
  await group.join('own/1', 'b/1', 'c/1');
  expect(group.watched()).toEqual([]);
  expect(group.removed).toEqual([]);
});

test('an earlier process at our own address has died', async () => {
  const group = aGroup();
  await group.join('own@earlier/1', 'b/1', 'b/2');
  expect(group.removed).toEqual(['own@earlier/1']);
  expect(group.watched()).toEqual(['b']);
});

test('a process that rejoins from our own address lives: two of them do not remove each other forever', async () => {
  const group = aGroup();
  await group.join('own@twin/1', 'b/1');
  expect(group.removed).toEqual(['own@twin/1']);
  for (let i = 2; i < 5; i += 1) await group.join(`own@twin/${i}`, 'b/1');
  expect(group.removed).toEqual(['own@twin/1']);
});
