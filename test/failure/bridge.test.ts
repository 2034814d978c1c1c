/**
 * Whatever the bridge has acknowledged is on raw: under faults of brokers, the registry, its disk
 * and itself. Nothing is answered too late.
 */

import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { seeded } from '../../src/verify/history.ts';
import { allOnRaw, type Load, startLoad } from '../support/ack-load.ts';
import { startThreeBrokers } from '../support/cluster.ts';
import { aDeployment, type Deployment } from '../support/deployment.ts';
import { doors } from '../support/doors.ts';
import { seedOf } from '../support/flow.ts';
import { brokerOf, electPreferredLeaders, isWhole } from '../support/roles.ts';
import { bounded } from '../support/soak.ts';

/** docs/http-api.md. The vendor gives up at 10 s. */
const respondedWithinMs = 8_000;

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'voucherbus-spool-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

async function isKept(load: Load, deployment: Deployment): Promise<void> {
  await load.stop();
  console.error(
    `· ${load.acknowledged.size} acknowledged, responses ${JSON.stringify(Object.fromEntries(load.statuses))}, slowest ${Math.round(load.slowestMs())} ms`,
  );
  // How many depends on the machine.
  expect(load.acknowledged.size).toBeGreaterThan(100);
  expect(load.slowestMs()).toBeLessThan(respondedWithinMs);
  await allOnRaw(load, deployment);
}

test('a leader of raw is killed, another hangs, leaders move back: everything acknowledged by two bridges is on raw, and the one with a spool refuses nothing', async () => {
  await using brokers = await startThreeBrokers((line) => process.stderr.write(`· ${line}\n`));
  await using deployment = await aDeployment(3, { KAFKA_BROKERS: brokers.bootstrap });
  const plain = await deployment.start('bridge');
  // A webhook may wait for the batch before it, and then for its own: twice SPOOL_AFTER. A busy
  // machine needs more of RESPONSE_TIMEOUT than the second that the defaults leave.
  const spooling = await deployment.start('bridge', { SPOOL_DIR: directory, SPOOL_AFTER: '2s' });
  const loads = [startLoad([plain.url], 10), startLoad([spooling.url], 10)] as const;
  await sleep(1_000);
  const killed = await brokerOf('raw', deployment, brokers);
  await killed.kill();
  await sleep(bounded(4_000, 10_000));
  await killed.start();
  await isWhole(deployment);
  const hung = await brokerOf('raw', deployment, brokers);
  await hung.pause();
  await sleep(bounded(8_000, 20_000));
  await hung.resume();
  await isWhole(deployment);
  await electPreferredLeaders(deployment);
  await sleep(1_000);
  for (const load of loads) await isKept(load, deployment);
  expect([...loads[1].statuses.keys()]).toEqual([202]);
  expect(
    [...loads[0].statuses.keys()].filter((status) => status !== 202 && status !== 503),
  ).toEqual([]);
});

test('the bridge is killed repeatedly at random moments, while Kafka and the registry come and go: everything acknowledged is on raw', async () => {
  const random = seeded(seedOf());
  await using deployment = await aDeployment(3);
  await using world = await doors(directory);
  await Promise.all([world.openKafka(), world.openRegistry()]);
  let bridge = await deployment.start('bridge', world.env);
  const load = startLoad([bridge.url], 20);
  for (let round = 0; round < bounded(20, 60); round += 1) {
    // Both, one, or none of them is there when the bridge comes back, and any of them may go or
    // come while it runs.
    await (random() < 0.5 ? world.openKafka() : world.shut('kafka'));
    await (random() < 0.7 ? world.openRegistry() : world.shut('registry'));
    await sleep(random() * 1_200);
    bridge.child.kill('SIGKILL');
    await bridge.child.exited;
    bridge = await deployment.start('bridge', world.env);
  }
  await Promise.all([world.openKafka(), world.openRegistry()]);
  await isKept(load, deployment);
  expect([...load.statuses.keys()].filter((status) => status !== 202 && status !== 0)).toEqual([]);
});

test.runIf(process.getuid?.() === 0 && process.platform === 'linux')(
  'the disk of the spool is full while Kafka is unreachable: the rest is refused in time, everything acknowledged is on raw',
  async () => {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', directory]);
    try {
      await using deployment = await aDeployment(3);
      await using world = await doors(directory);
      await Promise.all([world.openKafka(), world.openRegistry()]);
      const { child } = await deployment.start('bridge', world.env);
      const load = startLoad([`http://127.0.0.1:${world.env.BRIDGE_PORT}/webhooks/voucherify`], 20);
      await sleep(500);
      await world.shut('kafka');
      await sleep(8_000);
      expect(load.statuses.get(503)).toBeGreaterThan(0);
      expect(child.output()).toMatch(/cannot write to SPOOL_DIR|webhooks go to Kafka, although/);
      await world.openKafka();
      await sleep(2_000);
      const refused = load.statuses.get(503);
      await sleep(1_000);
      // There is room again, and Kafka takes the rest.
      expect(load.statuses.get(503)).toBe(refused);
      await isKept(load, deployment);
    } finally {
      execFileSync('umount', ['--lazy', directory]);
    }
  },
);
