/**
 * The claim of the product: webhooks in, each publication out exactly once, whatever becomes of the
 * processors in between.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { TransactionalProducer } from '../../src/kafka/transactional-producer.ts';
import { transactionalIdOf } from '../../src/topics/catalog.ts';
import { seeded } from '../../src/verify/history.ts';
import { aDeployment, metric, until } from '../support/deployment.ts';
import { seedOf, startFlow } from '../support/flow.ts';
import { places, reached } from '../support/kill-at.ts';
import { freePort } from '../support/ports.ts';
import { bounded, soakTest } from '../support/soak.ts';

const load = { count: 20_000, concurrency: 40, perSecond: 2_000 };
const preload = new URL('../support/kill-at.ts', import.meta.url).href;

soakTest(
  '20,000 webhooks with 10 % repeats, two processors, one killed half-way and started again: every publication once, on its topic',
  async () => {
    await using deployment = await aDeployment(6);
    const bridge = await deployment.start('bridge');
    const [victim] = await Promise.all([
      deployment.start('processor'),
      deployment.start('processor'),
    ]);
    const flow = startFlow(deployment, bridge.url, load);
    await until(async () => flow.begun() > load.count / 2, 'half of it was sent');
    victim.child.kill('SIGKILL');
    await victim.child.exited;
    await deployment.start('processor');
    await flow.check();
  },
);

test('three processors, a random one killed repeatedly at random moments: every publication once', async () => {
  const random = seeded(seedOf());
  await using deployment = await aDeployment(6);
  const bridge = await deployment.start('bridge');
  const processors = await Promise.all([1, 2, 3].map(() => deployment.start('processor')));
  const flow = startFlow(deployment, bridge.url, { count: 20_000, concurrency: 20 });
  for (let kills = 0; kills < 10; kills += 1) {
    await sleep(200 + random() * 1_500);
    const index = Math.floor(random() * processors.length);
    processors[index]?.child.kill('SIGKILL');
    await processors[index]?.child.exited;
    processors[index] = await deployment.start('processor');
  }
  await flow.check();
});

test('a processor killed at each step of its transaction: every publication once', async () => {
  const random = seeded(seedOf());
  await using deployment = await aDeployment(6);
  const bridge = await deployment.start('bridge');
  await deployment.start('processor');
  let isEnough = false;
  const flow = startFlow(deployment, bridge.url, {
    count: 20_000,
    concurrency: 3,
    isEnough: () => isEnough,
  });
  const rounds = Array.from({ length: bounded(1, 3) }, () => places);
  for (const place of rounds.flat()) {
    const { child } = await deployment.start('processor', {
      NODE_OPTIONS: `--import=${preload}`,
      KILL_AT: place,
      KILL_TRANSACTION: String(1 + Math.floor(random() * 20)),
    });
    // A signal ended it: it did reach that place.
    expect(await child.exited).toBeNull();
  }
  isEnough = true;
  await flow.check();
});

test.each(['1', '2'])(
  'one of two processors with %s workers each is killed: the other has its partitions long before its session ends, and every publication is forwarded once',
  async (workers) => {
    await using deployment = await aDeployment(4, {
      PROCESSOR_WORKERS: workers,
      ADMIN_HOST: '0.0.0.0', // towards a broker that is elsewhere, our address is not 127.0.0.1
      SESSION_TIMEOUT: '5m',
    });
    const bridge = await deployment.start('bridge');
    const other = await deployment.start('processor');
    // It comes later: the other learns of it by the rebalance.
    const victim = await deployment.start('processor');
    const partitions = ({ admin }: typeof other) => metric(admin, 'voucherbus_assigned_partitions');
    await until(
      async () => (await partitions(victim)) === 2 && (await partitions(other)) === 2,
      'each has its half',
    );
    let isEnough = false;
    const flow = startFlow(deployment, bridge.url, {
      count: 2_000,
      concurrency: 20,
      perSecond: 300,
      isEnough: () => isEnough,
    });
    await until(async () => flow.begun() > 500, 'some of it was sent');
    victim.child.kill('SIGKILL');
    await until(async () => (await partitions(other)) === 4, 'the other has all partitions');
    const facts = await other.child.said('a processor has died and was removed from the group');
    expect(facts).toMatchObject({ level: 'warn', port: Number(new URL(victim.admin).port) });
    isEnough = true;
    await flow.check();
  },
);

test('the only processor is killed and started again at its address: it does not wait for its dead predecessor', async () => {
  const settings = { ADMIN_PORT: String(await freePort()), SESSION_TIMEOUT: '5m' };
  await using deployment = await aDeployment(4, settings);
  const bridge = await deployment.start('bridge', { ADMIN_PORT: '0' });
  const victim = await deployment.start('processor');
  const flow = startFlow(deployment, bridge.url, {
    count: 2_000,
    concurrency: 20,
    perSecond: 300,
  });
  await until(async () => flow.begun() > 500, 'some of it was sent');
  victim.child.kill('SIGKILL');
  await victim.child.exited;
  const successor = await deployment.start('processor');
  await flow.check();
  expect(await metric(successor.admin, 'voucherbus_assigned_partitions')).toBe(4);
});

test("another producer takes a partition's transactional id repeatedly: the processor reports it, takes a new lease, and every publication is forwarded once", async () => {
  await using deployment = await aDeployment(2);
  const bridge = await deployment.start('bridge');
  const processor = await deployment.start('processor');
  const flow = startFlow(deployment, bridge.url, { count: 20_000, concurrency: 20 });
  for (let thefts = 0; thefts < 8; thefts += 1) {
    await sleep(500);
    const id = transactionalIdOf(deployment.catalog, 0);
    await (await TransactionalProducer.open(deployment.client, id, 15_000)).close();
  }
  await flow.check();
  expect(processor.child.output()).toContain('"recovery":"give-up-lease"');
  expect(
    await metric(processor.admin, 'voucherbus_transactions_total{outcome="fenced"}'),
  ).toBeGreaterThan(0);
});

test('a processor stopped for longer than its session is fenced, writes nothing late, and rejoins', async () => {
  await using deployment = await aDeployment(6);
  const bridge = await deployment.start('bridge');
  const [zombie, other] = await Promise.all([
    // It stops when everything of a transaction is sent but its end: the worst moment.
    deployment.start('processor', {
      NODE_OPTIONS: `--import=${preload}`,
      KILL_AT: 'after-offsets',
      KILL_SIGNAL: 'SIGSTOP',
      KILL_TRANSACTION: '20',
    }),
    deployment.start('processor'),
  ]);
  const flow = startFlow(deployment, bridge.url, { count: 20_000, concurrency: 10 });
  await until(async () => zombie.child.output().includes(reached), 'it has stopped');
  await until(
    async () => (await metric(other.admin, 'voucherbus_assigned_partitions')) === 6,
    'the other has all partitions',
  );
  zombie.child.kill('SIGCONT');
  await until(
    async () => (await metric(zombie.admin, 'voucherbus_assigned_partitions')) === 3,
    'the zombie is a member again',
  );
  await flow.check();
  // Fencing in turns would show as leases taken again and again.
  const failed = await Promise.all(
    [zombie, other].map(({ admin }) => metric(admin, 'voucherbus_leases_total{reason="failed"}')),
  );
  expect(failed.every((count) => count <= 6)).toBe(true);
});

test('processors that join and leave repeatedly: every publication once, and partitions that need not move keep their lease and state', async () => {
  await using deployment = await aDeployment(6);
  const bridge = await deployment.start('bridge');
  const steady = await deployment.start('processor');
  let isEnough = false;
  const flow = startFlow(deployment, bridge.url, {
    ...load,
    concurrency: 10,
    isEnough: () => isEnough,
  });
  const rounds = bounded(6, 30);
  for (let round = 0; round < rounds; round += 1) {
    const guest = await deployment.start('processor');
    await sleep(1_000);
    guest.child.kill('SIGTERM');
    expect(await guest.child.exited).toBe(0);
  }
  isEnough = true;
  await flow.check();
  // Each round takes three of its six partitions away and brings them back; the other three keep
  // their lease.
  const leases = await metric(steady.admin, 'voucherbus_leases_total{reason="assigned"}');
  expect(leases).toBeLessThanOrEqual(6 + rounds * 3);
});

test('scaled from one processor to four and back to one: every publication once, and no partition moves that need not', async () => {
  await using deployment = await aDeployment(8);
  const bridge = await deployment.start('bridge');
  const first = await deployment.start('processor');
  const flow = startFlow(deployment, bridge.url, load);
  await sleep(1_000);
  const others = await Promise.all([1, 2, 3].map(() => deployment.start('processor')));
  await until(async () => {
    const all = [first, ...others].map(({ admin }) =>
      metric(admin, 'voucherbus_assigned_partitions'),
    );
    return (await Promise.all(all)).every((count) => count === 2);
  }, 'each of the four has two partitions');
  await sleep(2_000);
  const taken = () => metric(first.admin, 'voucherbus_leases_total');
  // Of its eight the first keeps two; those it has never given up are not taken again.
  expect(await taken()).toBeLessThanOrEqual(8);
  for (const { child } of others) {
    child.kill('SIGTERM');
    expect(await child.exited).toBe(0);
  }
  await flow.check();
  expect(await taken()).toBeLessThanOrEqual(8 + 6 + 2);
});

soakTest(
  'a second deployment with the same topics, group and transactional ids is started by mistake: they share the work, nothing is forwarded twice',
  async () => {
    await using deployment = await aDeployment(6);
    const bridge = await deployment.start('bridge');
    await Promise.all([deployment.start('processor'), deployment.start('processor')]);
    const flow = startFlow(deployment, bridge.url, load);
    await until(async () => flow.begun() > load.count / 4, 'it flows');
    const second = await deployment.start('bridge');
    const others = await Promise.all([
      deployment.start('processor'),
      deployment.start('processor'),
    ]);
    // The vendor's retry may reach either of the bridges.
    const again = startFlow(deployment, second.url, { ...load, count: 5_000 });
    await again.sent;
    await sleep(1_000);
    for (const { child } of others) child.kill('SIGKILL');
    const { invariants } = await flow.verdict();
    const own = invariants
      .flatMap(({ violations }) => violations)
      .filter((text) => !text.endsWith('never sent'));
    expect(own).toEqual([]);
  },
);
