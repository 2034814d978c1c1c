/**
 * Brokers die, hang, restart and hand partitions over while the flow runs: three brokers,
 * replication factor 3, min.insync.replicas 2.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startThreeBrokers } from '../support/cluster.ts';
import { aDeployment, type Deployment } from '../support/deployment.ts';
import { startFlow } from '../support/flow.ts';
import { brokerOf, electPreferredLeaders, isWhole } from '../support/roles.ts';
import { bounded, soakTest } from '../support/soak.ts';
import type { Brokers } from '../support/way.ts';

let brokers: Brokers;

beforeAll(async () => {
  brokers = await startThreeBrokers((line) => process.stderr.write(`· ${line}\n`));
});
afterAll(() => brokers[Symbol.asyncDispose]());

const partitions = 6;
const load = { count: 20_000, concurrency: 40, perSecond: 1_500 };

const onThree = () => aDeployment(partitions, { KAFKA_BROKERS: brokers.bootstrap });

/**
 * A flow through one bridge and two processors, at least until `faults` are over. Every publication
 * once, whatever happened.
 */
async function whileFlowing(deployment: Deployment, faults: () => Promise<void>) {
  const bridge = await deployment.start('bridge');
  await Promise.all([deployment.start('processor'), deployment.start('processor')]);
  let isEnough = false;
  const flow = startFlow(deployment, bridge.url, { ...load, isEnough: () => isEnough });
  await sleep(1_000);
  await faults();
  isEnough = true;
  // The bridge may say 503 when no leader takes a webhook in time: then it has not acknowledged it.
  const { counts } = await flow.check({ mayRefuse: true });
  expect(counts['acknowledged']).toBeGreaterThan(10_000);
}

test('the leader of raw, of an output, the group coordinator and the transaction coordinator are killed in turn: every publication once', async () => {
  await using deployment = await onThree();
  await whileFlowing(deployment, async () => {
    const roles = ['raw', 'output', 'group coordinator', 'transaction coordinator'] as const;
    for (const role of roles) {
      const broker = await brokerOf(role, deployment, brokers);
      await broker.kill();
      await sleep(bounded(3_000, 8_000));
      await broker.start();
      await isWhole(deployment);
    }
  });
});

test('a broker hangs for longer than its session and comes back: every publication once', async () => {
  await using deployment = await onThree();
  await whileFlowing(deployment, async () => {
    const broker = await brokerOf('transaction coordinator', deployment, brokers);
    await broker.pause();
    await sleep(bounded(6_000, 20_000));
    await broker.resume();
    await isWhole(deployment);
  });
});

test('all three brokers are restarted one after the other, and preferred leaders are elected under load: every publication once', async () => {
  await using deployment = await onThree();
  await whileFlowing(deployment, async () => {
    for (const broker of brokers.nodes) {
      await broker.stop();
      await broker.start();
      await isWhole(deployment);
    }
    await electPreferredLeaders(deployment);
    await sleep(3_000);
  });
});

soakTest('leaders move back and forth repeatedly under load: every publication once', async () => {
  await using deployment = await onThree();
  await whileFlowing(deployment, async () => {
    for (let rounds = 0; rounds < 10; rounds += 1) {
      const broker = await brokerOf('raw', deployment, brokers);
      await broker.stop();
      await broker.start();
      await isWhole(deployment);
      await electPreferredLeaders(deployment);
      await sleep(1_000);
    }
  });
});
