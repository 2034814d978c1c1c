/**
 * Group offsets and the journal do not agree, or a part of them is gone: right every time, or a
 * refusal that says both.
 */

import { afterEach, expect, test } from 'vitest';
import { startChild } from '../../src/app/child-process.ts';
import { createEncoder } from '../../src/avro/encoder.ts';
import type { JournalRecord } from '../../src/avro/records.ts';
import { schemas } from '../../src/avro/schemas.ts';
import { digestOf } from '../../src/digest.ts';
import { noIdentity } from '../../src/journal/deployment-identity.ts';
import type { Admin } from '../../src/kafka/kafkajs.ts';
import { aBody } from '../support/builders.ts';
import { aDeployment, type Deployment, until } from '../support/deployment.ts';
import { type Flow, startFlow } from '../support/flow.ts';
import { applyTopics } from '../support/prepared.ts';
import { post } from '../support/webhooks.ts';

let admin: Admin | undefined;
afterEach(async () => {
  await admin?.disconnect();
  admin = undefined;
});

const load = { count: 20_000, concurrency: 40 };

/**
 * A flow of which a part is processed, and the processor stopped: the place to change things in
 * between.
 */
async function stoppedHalfway(deployment: Deployment): Promise<Flow> {
  const bridge = await deployment.start('bridge');
  const { child } = await deployment.start('processor');
  const flow = startFlow(deployment, bridge.url, load);
  await until(async () => flow.begun() > load.count / 2, 'half of it was sent');
  child.kill('SIGTERM');
  expect(await child.exited).toBe(0);
  admin = deployment.client.admin();
  await admin.connect();
  return flow;
}

const setOffset = async ({ prefix, catalog }: Deployment, offset: number) => {
  const offsets = [{ partition: 0, offset: String(offset) }];
  await admin?.setOffsets({ groupId: prefix, topic: catalog.raw, partitions: offsets });
};

const positionOf = async ({ admin: ours, prefix, catalog }: Deployment) =>
  (await ours.committedOffsets(prefix, catalog.raw)).get(0) ?? 0;

/** Returns the error message of a processor that refuses to start. */
async function refusal({ env }: Deployment): Promise<string> {
  const child = startChild(['processor'], env);
  expect(await child.exited).toBe(1);
  return child.output();
}

test("the group's offsets expire while no processor runs: the journal's position is used, and nothing is repeated", async () => {
  await using deployment = await aDeployment(2);
  const flow = await stoppedHalfway(deployment);
  await admin?.deleteGroups([deployment.prefix]);
  await deployment.start('processor');
  await flow.check();
});

test("the group's offset is set behind or ahead of the journal: no processor starts, each error has both numbers; once corrected, they continue", async () => {
  await using deployment = await aDeployment(1);
  const flow = await stoppedHalfway(deployment);
  const position = await positionOf(deployment);
  for (const wrong of [position - 7, position + 7]) {
    await setOffset(deployment, wrong);
    const said = await refusal(deployment);
    expect(said).toContain(`committed offset is ${wrong}`);
    expect(said).toContain(`journal's position is ${position - 7 === wrong ? '' : position}`);
  }
  await setOffset(deployment, position);
  await deployment.start('processor');
  await flow.check();
});

test('the journal topic was deleted: no processor starts, because repeats would pass; the error says what to do', async () => {
  await using deployment = await aDeployment(1);
  const flow = await stoppedHalfway(deployment);
  await flow.sent;
  await deployment.admin.remove([deployment.catalog.journal]);
  expect(await refusal(deployment)).toContain('voucherbus topics apply');
  await applyTopics(deployment.catalog, deployment.admin);
  const said = await refusal(deployment);
  expect(said).toContain('the journal is empty and was never written');
  expect(said).toContain('voucherbus adopt');
});

test('an operator truncated the journal: earlier events that are repeated become dead letters, the others continue, nothing is repeated', async () => {
  await using deployment = await aDeployment(1);
  const bridge = await deployment.start('bridge');
  const flow = await stoppedHalfway(deployment);
  await flow.sent;
  const { reader, catalog } = deployment;
  // One that is not among those still to be processed: the flow's own repeats are created anew, so
  // one of a forgotten id would pass before ours.
  const position = await positionOf(deployment);
  const raw = await deployment.readAll(catalog.raw);
  const later = new Set(raw.filter(({ offset }) => offset >= position).map(({ key }) => `${key}`));
  const outputs = await deployment.outputs();
  const early = outputs.find(({ event }) => !later.has(event.publicationId))?.event
    .publicationId as string;
  const end = await reader.offsetOf(catalog.journal, 0, 'end');
  await admin?.fetchTopicMetadata({ topics: [catalog.journal] }); // deleteTopicRecords needs it
  await admin?.deleteTopicRecords({
    topic: catalog.journal,
    partitions: [{ partition: 0, offset: String(Math.floor(end / 2)) }],
  });
  await deployment.start('processor');
  const createdAt = new Date(Date.now() - 600_000).toISOString();
  const body = aBody({ publicationId: early, createdAt });
  await post(bridge.url, body);
  const letters = await until(async () => {
    const found = await deployment.readAll(catalog.deadLetters);
    const reasons = found.map(({ headers }) => new Map(headers).get('voucherbus.error.reason'));
    return reasons.some((reason) => String(reason) === 'older-than-window') && found;
  }, 'the repeat is parked');
  expect(letters.length).toBeGreaterThan(0);
  const times = (await deployment.outputs()).filter(({ event }) => event.publicationId === early);
  expect(times.length).toBe(1);
});

test('a void tail, and an aborted record between two valid ones, written by hand: both are ignored, and every publication is forwarded once', async () => {
  await using deployment = await aDeployment(1);
  const flow = await stoppedHalfway(deployment);
  const { catalog, client, schemaId } = deployment;
  const position = await positionOf(deployment);
  const encode = createEncoder<JournalRecord>(
    schemas.JournalRecord.type,
    schemaId(catalog.journal),
  );
  // It claims that the next 50 records were forwarded: believing it would lose them.
  const invariant = async (from: number) => {
    const ids = (await deployment.readAll(catalog.raw))
      .filter(({ offset }) => offset >= from && offset < from + 50)
      .map(({ key }) => String(key));
    const entries = ids.map((id, offset) => ({
      digest: digestOf(id),
      offset,
      outcome: 'FORWARDED' as const,
      label: 0,
    }));
    const now = Date.now();
    const value = encode({
      from,
      to: from + 50,
      receivedUntil: now,
      processedAt: now,
      lastTimestamp: -1,
      identity: noIdentity,
      deployment: null,
      routesVersion: 'builtin',
      labels: [catalog.publications.other],
      entries,
    });
    return { topic: catalog.journal, messages: [{ partition: 0, value }] };
  };
  const transactional = client.producer({ transactionalId: 'by-hand', maxInFlightRequests: 1 });
  await transactional.connect();
  const aborted = await transactional.transaction();
  await aborted.send(await invariant(position));
  await aborted.abort();
  await transactional.disconnect();
  const plain = client.producer();
  await plain.connect();
  await plain.send(await invariant(position));
  await plain.disconnect();

  const second = await deployment.start('processor');
  await until(async () => (await positionOf(deployment)) > position, 'it goes on');
  // And once more: now the void record lies between two good ones.
  second.child.kill('SIGTERM');
  expect(await second.child.exited).toBe(0);
  await deployment.start('processor');
  const verdict = await flow.verdict();
  const violations = verdict.invariants.filter((one) => one.violations.length > 0);
  // The void record itself is in the journal, for all to see; nothing else is wrong.
  expect(
    violations.map(({ invariant: text }) => text).filter((text) => !text.includes('journal')),
  ).toEqual([]);
});
