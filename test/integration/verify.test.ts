/** The checker's own eyes on a real broker, and the command `voucherbus verify`. */

import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { startChild } from '../../src/app/child-process.ts';
import { TransactionalProducer } from '../../src/kafka/transactional-producer.ts';
import { readLog } from '../../src/verify/read-log.ts';
import { takeSnapshot } from '../../src/verify/snapshot.ts';
import { aDeployment, type Deployment, secret, until } from '../support/deployment.ts';

const text = (value: string) => ({ partition: 0, value: Buffer.from(value) });

/**
 * On the dead-letter topic, whose records need no schema: committed "a", aborted "b", committed
 * "c", and "d" of a transaction that stays open.
 */
async function threeFates({ client, catalog, prefix }: Deployment) {
  const topic = catalog.deadLetters;
  const offsets = { group: prefix, topic: catalog.raw, partition: 0, offset: 0 };
  const producer = await TransactionalProducer.open(client, `${prefix}-1`, 60_000);
  await producer.commit({ records: [{ topic, messages: [text('a')] }], offsets });
  const undecided = client.producer({ transactionalId: `${prefix}-2`, maxInFlightRequests: 1 });
  await undecided.connect();
  const aborted = await undecided.transaction();
  await aborted.send({ topic, messages: [text('b')] });
  await aborted.abort();
  await producer.commit({ records: [{ topic, messages: [text('c')] }], offsets });
  const open = await undecided.transaction();
  await open.send({ topic, messages: [text('d')] });
  return async () => {
    await open.abort();
    await Promise.all([producer.close(), undecided.disconnect()]);
  };
}

test('committed, aborted and open records are distinguished by the markers in the log', async () => {
  await using deployment = await aDeployment(1);
  const close = await threeFates(deployment);
  const { reader, catalog, admin, registry, prefix: group, partitions } = deployment;
  const to = await reader.offsetOf(catalog.deadLetters, 0, 'high-watermark');
  const log = await readLog(reader, { topic: catalog.deadLetters, partition: 0, from: 0, to });
  expect(log.map(({ record, state }) => [String(record.value), state])).toEqual([
    ['a', 'committed'],
    ['b', 'aborted'],
    ['c', 'committed'],
    ['d', 'open'],
  ]);
  const source = { reader, admin, registry, catalog, group, partitions };
  const snapshot = await takeSnapshot(source, new Map());
  expect([snapshot.abortedRecords, snapshot.open.length]).toEqual([1, 1]);
  expect([snapshot.shownWrongly, snapshot.hiddenWrongly]).toEqual([[], []]);
  await close();
});

test('`voucherbus verify --withhold`: what no webhook brings is reconciled, and what comes late is a duplicate', async () => {
  const args = ['verify', '--count', '400', '--kills', '1', '--withhold', '10', '--json'];
  const child = startChild(args, { ...process.env, SESSION_TIMEOUT: '6s' });
  const code = await child.exited;
  const output = child.output();
  const { isExact, counts } = JSON.parse(output.slice(output.indexOf('{')).replace(/^· .*$/gm, ''));
  expect([code, isExact], output).toEqual([0, true]);
  expect(counts.withheld).toBeGreaterThan(30);
  expect(counts.raw).toBeGreaterThan(counts.acknowledged + counts.withheld);
});

test('`voucherbus verify` with its own processors, one of them killed: exactly once, as JSON, and nothing is left', async () => {
  const args = ['verify', '--count', '500', '--kills', '1', '--json', '--seed', '7'];
  // Settings of a bridge at work: verify ignores them.
  const atWork = {
    ...{ WEBHOOK_SECRETS_FILE: '/run/secrets/none', ALLOWED_SENDERS: '192.0.2.1' },
    ...{ TRUSTED_PROXY_HOPS: '1', ROUTES_FILE: '/etc/none.yaml', SPOOL_DIR: '/var/spool/none' },
    ...{ VOUCHERIFY_APP_ID: 'none', VOUCHERIFY_APP_TOKEN_FILE: '/run/secrets/none' },
  };
  const child = startChild(args, { ...process.env, ...atWork, SESSION_TIMEOUT: '6s' });
  const code = await child.exited;
  const output = child.output();
  const verdict = JSON.parse(output.slice(output.indexOf('{')).replace(/^· .*$/gm, ''));
  expect([code, verdict.isExact, verdict.seed]).toEqual([0, true, 7]);
  expect(verdict.counts.acknowledged).toBeGreaterThanOrEqual(500);
  expect(verdict.invariants.length).toBeGreaterThanOrEqual(12);
});

test('`voucherbus verify --url` checks what it sent through a running deployment; a bridge that accepts nothing is an error', async () => {
  await using deployment = await aDeployment(3);
  const bridge = await deployment.start('bridge');
  await deployment.start('processor');
  const run = async (secrets: string) => {
    const args = ['verify', '--url', bridge.url, '--count', '200', '--rate', '400'];
    const child = startChild(args, { ...deployment.env, WEBHOOK_SECRETS: secrets });
    return { code: await child.exited, output: child.output() };
  };
  const first = await run(secret);
  expect(first.output).toContain('EXACTLY ONCE');
  expect(first.code).toBe(0);
  const again = await run(secret);
  expect([again.code, again.output.includes('200 webhooks acknowledged')]).toEqual([0, true]);
  const refused = await run('another');
  expect(refused.code).toBe(1);
  expect(refused.output).toContain('acknowledged none of 200 webhooks');
});

test('`voucherbus verify` that is ended removes its processes and topics', async () => {
  await using deployment = await aDeployment(1);
  const child = startChild(['verify', '--count', '100000'], process.env);
  const sending = () => child.output().includes('· sent ');
  await until(async () => sending(), child.output);
  const children = childrenOf(child.pid);
  expect(children.length).toBeGreaterThanOrEqual(3);
  const prefix = /TOPIC_PREFIX=(verify-[0-9a-f]+)/.exec(environmentOf(children[0] ?? ''))?.[1];
  const topics = [`${prefix}.webhooks.raw`, `${prefix}.publications.journal`];
  expect((await deployment.admin.describe(topics)).size).toBe(2);
  child.kill('SIGTERM');
  expect(await child.exited).toBe(1);
  expect(child.output()).toContain('ended by SIGTERM');
  expect(children.filter((pid) => existsSync(`/proc/${pid}`))).toEqual([]);
  expect((await deployment.admin.describe(topics)).size).toBe(0);
});

const childrenOf = (pid: number) =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ');

const environmentOf = (pid: string) => readFileSync(`/proc/${pid}/environ`, 'utf8');
