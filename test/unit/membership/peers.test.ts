import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { Member } from '../../../src/kafka/admin.ts';
import { createPeers } from '../../../src/membership/peers.ts';
import { createLog } from '../../../src/observability/log.ts';

/** Each on an address of its own, but for those of one place: a, a@later. */
const lifeOf = (name: string) => ({
  host: `10.0.0.${name.charCodeAt(0)}`,
  port: 9464,
  hostname: `pod-${name.charAt(0)}`,
  name,
});

/** A group whose members the test names, and whose processes it lets die. */
function aGroup() {
  let members: readonly Member[] | undefined = [];
  let problem: Error | undefined;
  const watched = new Map<string, (hasDied: boolean) => void>();
  const dismissed: string[] = [];
  const peers = createPeers({
    own: lifeOf('own'),
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
      dismissed.push(memberId);
      if (memberId.includes('unlucky')) throw new Error('the coordinator is away');
      return true;
    },
    log: createLog('silent', 'processor'),
  });
  return {
    ...peers,
    join: async (...names: readonly string[]) => {
      members = names.map((name) => {
        const [process = ''] = name.split('/');
        return { memberId: name, identity: lifeOf(process) };
      });
      await peers.look();
    },
    /** A look while the group rebalances. */
    lookInBetween: async () => {
      members = undefined;
      await peers.look();
    },
    fail: (error: Error | undefined) => {
      problem = error;
    },
    die: async (name: string) => {
      watched.get(name)?.(true);
      await turn();
    },
    watched: () => [...watched.keys()].sort(),
    dismissed,
  };
}

test('all members of a process that dies are taken out; our own process is not watched, nor is one that does not say where', async () => {
  const group = aGroup();
  await group.join('own/1', 'own/2', 'b/1', 'b/2', 'c/1');
  expect(group.watched()).toEqual(['b', 'c']);
  await group.die('b');
  expect(group.dismissed).toEqual(['b/1', 'b/2']);
  expect(group.watched()).toEqual(['c']);
});

test('who leaves is not watched any more; who stays is watched on, under its new names', async () => {
  const group = aGroup();
  await group.join('own/1', 'b/1', 'c/1');
  await group.join('own/1', 'c/2');
  expect(group.watched()).toEqual(['c']);
  await group.die('c');
  expect(group.dismissed).toEqual(['c/2']);
});

test('while the group rebalances, or can not be asked, those known are watched on', async () => {
  const group = aGroup();
  await group.join('own/1', 'b/1');
  await group.lookInBetween();
  group.fail(new Error('the coordinator is away'));
  await group.look();
  expect(group.watched()).toEqual(['b']);
  group.fail(undefined);
  await group.join('own/1', 'b/1', 'c/1');
  expect(group.watched()).toEqual(['b', 'c']);
});

test('one that can not be taken out does not keep the others in', async () => {
  const group = aGroup();
  await group.join('own/1', 'b/unlucky', 'b/2');
  await group.die('b');
  expect(group.dismissed).toEqual(['b/unlucky', 'b/2']);
});

test('once stopped, nobody is watched and nobody taken out', async () => {
  const group = aGroup();
  await group.join('own/1', 'b/1');
  group.stop();
  await group.join('own/1', 'b/1', 'c/1');
  expect(group.watched()).toEqual([]);
  expect(group.dismissed).toEqual([]);
});

test('whoever had our own place has died', async () => {
  const group = aGroup();
  await group.join('own@earlier/1', 'b/1', 'b/2');
  expect(group.dismissed).toEqual(['own@earlier/1']);
  expect(group.watched()).toEqual(['b']);
});

test('one that joins again from our own place lives: two with the same address do not take each other out for ever', async () => {
  const group = aGroup();
  await group.join('own@twin/1', 'b/1');
  expect(group.dismissed).toEqual(['own@twin/1']);
  for (let i = 2; i < 5; i += 1) await group.join(`own@twin/${i}`, 'b/1');
  expect(group.dismissed).toEqual(['own@twin/1']);
});
