/**
 * Makes a deployment's journal belong to what exists now, after an operator has decided so: topics
 * that were recreated, a restored or mirrored cluster, a truncated raw topic, another consumer
 * group. The remembered ids are kept. The position is kept if raw is still the same log. Otherwise
 * the new log is read from its beginning, and what was forwarded before is a duplicate.
 */

import { Decoder } from '../avro/decoder.ts';
import { createEncoder } from '../avro/encoder.ts';
import type { DeploymentIdentity, JournalRecord } from '../avro/records.ts';
import { schemas } from '../avro/schemas.ts';
import { AppError } from '../errors.ts';
import { describeDifference, differencesOf, identityOf } from '../journal/deployment-identity.ts';
import { isSameLog, type Replayed, replayJournal } from '../journal/restore.ts';
import type { Client } from '../kafka/client.ts';
import { TransactionalProducer } from '../kafka/transactional-producer.ts';
import { subjectOf, transactionalIdOf } from '../topics/catalog.ts';
import type { Deployment } from '../topics/deployment.ts';

export type PartitionPlan = {
  readonly partition: number;
  /** The next offset according to the journal. */
  readonly from: number;
  /** The offset from which the processor would continue after the adoption. */
  readonly to: number;
  readonly ids: number;
  /** The consumer group to which the journal belongs before the adoption. */
  readonly group: string | undefined;
  /** The differences, as sentences; empty if this partition needs no adoption. */
  readonly reasons: readonly string[];
};

const takeoverTimeoutMs = 15_000;

/**
 * Reads the current identity of the deployment.
 * @throws AppError TOPIC_UNFIT if a topic does not exist
 */
export async function deploymentNow({
  admin,
  catalog,
  group,
}: Deployment): Promise<DeploymentIdentity> {
  const names = catalog.topics.map(({ name }) => name);
  const found = await admin.identify(names);
  const missing = names.filter((name) => !found.has(name));
  if (missing.length > 0) {
    const text = `${missing.join(', ')}: no such topic. \`voucherbus setup\` creates what is missing`;
    throw new AppError('TOPIC_UNFIT', 'stop', text);
  }
  const topicIds = Object.fromEntries([...found].map(([name, { id }]) => [name, id]));
  const partitions = found.get(catalog.raw)?.partitions ?? 0;
  return { group, partitions, topicIds, isAdopted: true };
}

/** Plans the adoption of a partition; writes nothing. @throws AppError */
export async function planAdoption(
  deployment: Deployment,
  partition: number,
  now: DeploymentIdentity,
): Promise<PartitionPlan> {
  return planOf(deployment, partition, now, await replayed(deployment, partition, now));
}

async function planOf(
  { reader, catalog: { raw, journal } }: Deployment,
  partition: number,
  now: DeploymentIdentity,
  found: Replayed,
): Promise<PartitionPlan> {
  const { state, rawStart, rawEnd, isJournalVirgin } = found;
  const differences = state.deployment ? differencesOf(state.deployment, now) : [];
  const growth = differences.find(({ kind }) => kind === 'partitions');
  if (growth) {
    throw new AppError('TOPIC_UNFIT', 'stop', describeDifference(growth, { raw, journal }));
  }
  const reasons = differences.map((difference) =>
    difference.kind === 'topic'
      ? `${difference.topic}: topic id ${difference.found}, was ${difference.expected}`
      : `CONSUMER_GROUP: "${difference.found}", was "${difference.expected}"`,
  );
  const isOtherRaw = differences.some((one) => one.kind === 'topic' && one.topic === raw);
  const isCut = state.position > rawEnd || !(await isSameLog({ reader, raw, partition }, found));
  if (!isOtherRaw && isCut) reasons.push(`${raw}/${partition}: truncated`);
  if (isJournalVirgin && state.position > rawStart) {
    reasons.push(`${journal}/${partition}: empty; what was created before now will be parked`);
  }
  const to = isOtherRaw || isCut ? rawStart : state.position;
  const { position: from, size: ids } = state;
  return { partition, from, to, ids, group: state.deployment?.group, reasons };
}

async function replayed(
  { reader, registry, catalog, admin, group }: Deployment,
  partition: number,
  now: DeploymentIdentity,
): Promise<Replayed> {
  const { raw, journal, windowMs } = catalog;
  const offsets = await admin.committedOffsets(group, raw);
  return replayJournal({
    reader,
    decoder: new Decoder<JournalRecord>(schemas.JournalRecord.type, registry),
    raw,
    journal,
    partition,
    windowMs,
    nowMs: Date.now(),
    committed: offsets.get(partition),
    found: { deployment: now, identity: identityOf(now) },
    onProgress: async () => {},
  });
}

/**
 * Takes the partition's lease, and writes in one transaction to which deployment the journal
 * belongs and where the group continues.
 * @throws AppError
 */
export async function adopt(
  deployment: Deployment & { readonly client: Client },
  partition: number,
  now: DeploymentIdentity,
): Promise<PartitionPlan> {
  const { client, registry, catalog, group } = deployment;
  const { raw, journal } = catalog;
  const id = await registry.idOf(subjectOf(journal), schemas.JournalRecord.text);
  if (id === undefined) {
    const text = `${subjectOf(journal)} is not registered: expected this version's schema. \`voucherbus setup\` registers it`;
    throw new AppError('SCHEMA_MISSING', 'stop', text);
  }
  const transactionalId = transactionalIdOf(catalog, partition);
  const producer = await TransactionalProducer.open(client, transactionalId, takeoverTimeoutMs);
  try {
    const found = await replayed(deployment, partition, now);
    const plan = await planOf(deployment, partition, now, found);
    const nowMs = Date.now();
    const record = adoptionRecord(plan, found, now, nowMs);
    const value = createEncoder<JournalRecord>(schemas.JournalRecord.type, id)(record);
    const timestamp = String(nowMs);
    await producer.commit({
      records: [{ topic: journal, messages: [{ partition, value, timestamp }] }],
      offsets: { group, topic: raw, partition, offset: plan.to },
    });
    return plan;
  } finally {
    await producer.close();
  }
}

function adoptionRecord(
  { from, to }: PartitionPlan,
  { state }: Replayed,
  now: DeploymentIdentity,
  nowMs: number,
): JournalRecord {
  return {
    from,
    to,
    receivedUntil: state.streamTimeMs,
    processedAt: nowMs,
    lastTimestamp: from === to ? state.lastTimestamp : -1,
    identity: identityOf(now),
    deployment: now,
    routesVersion: 'adopted',
    labels: [],
    entries: [],
  };
}
