/**
 * Offsets, letters and leases count only for the topics and the group they were made for: with
 * others nothing continues without an operator.
 */

import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { type Environment, startChild } from '../../src/app/child-process.ts';
import { aBody } from '../support/builders.ts';
import { aDeployment, type Deployment, until } from '../support/deployment.ts';
import { applyTopics } from '../support/prepared.ts';
import { run } from '../support/run.ts';
import { post } from '../support/webhooks.ts';

const ids = (count: number) =>
  Array.from({ length: count }, () => `pub_${randomBytes(6).toString('hex')}`);

/** A repeat says again when the publication was made. */
const createdAt = new Date(Date.now() - 60_000).toISOString();

/** Each is acknowledged. */
async function send(url: string, publicationIds: readonly string[]): Promise<void> {
  for (const publicationId of publicationIds) {
    const response = await post(url, aBody({ publicationId, createdAt }));
    expect(response.status).toBe(202);
  }
}

const countsOf = async (deployment: Deployment) => {
  const counts = new Map<string, number>();
  for (const { event } of await deployment.outputs()) {
    counts.set(event.publicationId, (counts.get(event.publicationId) ?? 0) + 1);
  }
  return counts;
};

async function untilForwarded(deployment: Deployment, expected: readonly string[]): Promise<void> {
  await until(async () => {
    const counts = await countsOf(deployment);
    return expected.every((id) => counts.has(id));
  }, `${expected.length} publications come out`);
}

/** Each of these once, and nothing else. */
async function expectOnce(deployment: Deployment, expected: readonly string[]): Promise<void> {
  await untilForwarded(deployment, expected);
  expect(await countsOf(deployment)).toEqual(new Map(expected.map((id) => [id, 1])));
}

/** Returns the error message of a processor that refuses to start. */
async function refusal({ env }: Deployment, extra: Environment = {}): Promise<string> {
  const child = startChild(['processor'], { ...env, ...extra });
  expect(await child.exited).toBe(1);
  return child.output();
}

async function makeAgain({ admin, catalog }: Deployment, topic: string): Promise<void> {
  await admin.remove([topic]);
  await applyTopics(catalog, admin);
}

async function adopt({ env }: Deployment, extra: Environment = {}) {
  const plan = await run(['adopt'], { ...env, ...extra });
  expect(plan.code).toBe(1);
  const done = await run(['adopt', '--execute'], { ...env, ...extra });
  expect(done.output).toContain('done: start the processors');
  expect(done.output).toMatch(/"action":"journal\.adopt","by":".+"reasons":\[".+"outcome":"done"/);
  expect((await run(['adopt'], { ...env, ...extra })).messages).toContain('nothing to adopt');
  return plan.messages;
}

test('raw is recreated under a running processor: it stops with the reason, and after an adoption nothing acknowledged is missing', async () => {
  await using deployment = await aDeployment(2);
  const { catalog } = deployment;
  const bridge = await deployment.start('bridge');
  const { child } = await deployment.start('processor');
  const before = ids(20);
  await send(bridge.url, before);
  await untilForwarded(deployment, before);
  await makeAgain(deployment, catalog.raw);
  const after = ids(30);
  await send(bridge.url, after);
  expect(await child.exited).toBe(1);
  expect(child.output()).toContain(`${catalog.raw} has the topic id`);
  expect(child.output()).toContain('voucherbus adopt');
  expect(await refusal(deployment)).toContain('the positions in the journal belong to another log');
  expect(await adopt(deployment)).toContain('becomes 0');
  await deployment.start('processor');
  // Ids are kept: a repeat of what was forwarded before is still one.
  await send(bridge.url, before.slice(0, 5));
  await expectOnce(deployment, [...before, ...after]);
});

test('raw is recreated while no processor runs, and has grown beyond the position: no processor starts', async () => {
  await using deployment = await aDeployment(1);
  const bridge = await deployment.start('bridge');
  const { child } = await deployment.start('processor');
  const before = ids(5);
  await send(bridge.url, before);
  await untilForwarded(deployment, before);
  child.kill('SIGTERM');
  await child.exited;
  await makeAgain(deployment, deployment.catalog.raw);
  const after = ids(12);
  await send(bridge.url, after);
  expect(await refusal(deployment)).toContain('it was recreated');
  await adopt(deployment);
  await deployment.start('processor');
  await expectOnce(deployment, [...before, ...after]);
});

test('a second group on the journal is refused, and takes over when it is adopted', async () => {
  await using deployment = await aDeployment(2);
  const bridge = await deployment.start('bridge');
  const { child } = await deployment.start('processor');
  const before = ids(10);
  await send(bridge.url, before);
  await untilForwarded(deployment, before);
  const second = { CONSUMER_GROUP: `${deployment.prefix}-2` };
  expect(await refusal(deployment, second)).toContain(
    `belongs to CONSUMER_GROUP "${deployment.prefix}", found "${deployment.prefix}-2"`,
  );
  // The first one goes on.
  const meanwhile = ids(10);
  await send(bridge.url, meanwhile);
  await untilForwarded(deployment, meanwhile);
  const early = await run(['adopt', '--execute'], { ...deployment.env, ...second });
  expect(early.code).toBe(1);
  expect(early.output).toContain('Stop its processors first');
  child.kill('SIGTERM');
  await child.exited;
  await adopt(deployment, second);
  await deployment.start('processor', second);
  const after = ids(10);
  await send(bridge.url, [...after, ...before]);
  await expectOnce(deployment, [...before, ...meanwhile, ...after]);
  expect(await refusal(deployment)).toContain('belongs to CONSUMER_GROUP');
});

test('partitions are added from outside: the processor stops, and neither it nor the bridge starts, whatever PARTITIONS says', async () => {
  await using deployment = await aDeployment(3);
  const { catalog, env } = deployment;
  const bridge = await deployment.start('bridge');
  const { child } = await deployment.start('processor');
  const before = ids(12);
  await send(bridge.url, before);
  await untilForwarded(deployment, before);
  for (const { name } of catalog.topics) await deployment.admin.addPartitions(name, 6);
  expect(await child.exited).toBe(1);
  expect(child.output()).toContain('has 6 partitions, the journal was written for 3');
  // The running bridge goes on to write where the memory of the ids is.
  await send(bridge.url, before);
  bridge.child.kill('SIGTERM');
  await bridge.child.exited;
  for (const name of ['bridge', 'processor']) {
    const started = await run([name], env);
    expect(started.code).toBe(1);
    expect(started.output).toContain('PARTITIONS is 3');
  }
  const adapted = { PARTITIONS: '6' };
  expect(await refusal(deployment, adapted)).toContain('the journal was written for 3');
  const adoption = await run(['adopt', '--execute'], { ...env, ...adapted });
  expect(adoption.code).toBe(1);
  expect(adoption.output).toContain('cannot be adopted');
  expect(await countsOf(deployment)).toEqual(new Map(before.map((id) => [id, 1])));
});

test('an output topic is recreated while no processor runs: none starts until it is adopted', async () => {
  await using deployment = await aDeployment(1);
  const { catalog } = deployment;
  const bridge = await deployment.start('bridge');
  const { child } = await deployment.start('processor');
  const before = ids(5);
  await send(bridge.url, before);
  await untilForwarded(deployment, before);
  child.kill('SIGTERM');
  await child.exited;
  await makeAgain(deployment, catalog.publications['discount-coupons']);
  expect(await refusal(deployment)).toContain(
    'what was written to it before is not there any more',
  );
  expect(await adopt(deployment)).toContain('partition 0: position 5, 5 ids kept');
  await deployment.start('processor');
  const after = ids(5);
  await send(bridge.url, [...before, ...after]);
  await untilForwarded(deployment, after);
});

test('the journal is recreated under a running processor: it stops, and after an adoption earlier events become dead letters, not repeats', async () => {
  await using deployment = await aDeployment(1);
  const { catalog } = deployment;
  const bridge = await deployment.start('bridge');
  const { child } = await deployment.start('processor');
  const before = ids(5);
  await send(bridge.url, before);
  await untilForwarded(deployment, before);
  await makeAgain(deployment, catalog.journal);
  expect(await child.exited).toBe(1);
  expect(child.output()).toContain(`${catalog.journal} has the topic id`);
  await refusal(deployment);
  await adopt(deployment);
  await deployment.start('processor');
  await send(bridge.url, before);
  await until(async () => {
    const letters = await deployment.readAll(catalog.deadLetters);
    return letters.length === before.length;
  }, 'the repeats are parked');
  await expectOnce(deployment, before);
});

test('the dead-letter topic is recreated: its new letters do not count as redriven', async () => {
  await using deployment = await aDeployment(1);
  const { catalog, env } = deployment;
  const bridge = await deployment.start('bridge');
  const first = await deployment.start('processor');
  const letters = async (count: number) => {
    await until(
      async () => (await deployment.readAll(catalog.deadLetters)).length === count,
      `${count} dead letters`,
    );
  };
  await post(bridge.url, Buffer.from('no JSON'));
  await letters(1);
  await run(['dead-letters', 'redrive', '--execute'], env);
  await letters(2);
  first.child.kill('SIGTERM');
  await first.child.exited;
  await makeAgain(deployment, catalog.deadLetters);
  await adopt(deployment);
  await deployment.start('processor');
  await post(bridge.url, Buffer.from('no JSON either'));
  await letters(1);
  const list = await run(['dead-letters', 'list', '--json'], env);
  expect(JSON.parse(list.messages)).toMatchObject([{ open: 1, redriven: 0 }]);
  await run(['dead-letters', 'redrive', '--execute'], env);
  await letters(2);
});
