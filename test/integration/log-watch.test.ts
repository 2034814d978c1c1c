/** Watches of the logs: lag, open transactions, and the first offsets of a group. */

import { Writable } from 'node:stream';
import { expect, test } from 'vitest';
import { createLog } from '../../src/observability/log.ts';
import { createMetrics } from '../../src/observability/metrics.ts';
import { LogWatch } from '../../src/processor/log-watch.ts';
import { aBody } from '../support/builders.ts';
import { deleteRecords } from '../support/delete-records.ts';
import { aDeployment, type Deployment, metric, until } from '../support/deployment.ts';
import { connectTransaction } from '../support/foreign-transaction.ts';
import { run } from '../support/run.ts';
import { post } from '../support/webhooks.ts';

const watchOf = (deployment: Deployment, positions: ReadonlyMap<number, number>) => {
  const { admin, reader, prefix: group, catalog, partitions } = deployment;
  const metrics = createMetrics({ version: 'test' });
  const lines: object[] = [];
  const destination = new Writable({
    write: (line, _, done) => {
      lines.push(JSON.parse(String(line)));
      done();
    },
  });
  const log = createLog('warn', 'test', destination);
  const topics = () => catalog.topics.map(({ name }) => name);
  const watch = new LogWatch({
    ...{ admin, reader, group, partitions, topics, log, metrics },
    raw: catalog.raw,
    positions: () => positions,
    everyMs: 50,
    reportAfterMs: 500,
  });
  watch.onAssigned(Array.from({ length: partitions }, (_, partition) => partition));
  return { watch, metrics, lines };
};

const valuesOf = async (gauge: {
  get(): Promise<{ values: { value: number; labels: object }[] }>;
}) => (await gauge.get()).values;

test('an open transaction is measured, and reported with its transactional id, until it ends', async () => {
  await using deployment = await aDeployment(2);
  const { catalog } = deployment;
  const topic = catalog.publications['gift-vouchers'];
  const { watch, metrics, lines } = watchOf(
    deployment,
    new Map([
      [0, 0],
      [1, 0],
    ]),
  );
  const open = await connectTransaction(deployment.client, `${deployment.prefix}-foreign`);
  await open.send(topic, 1);
  const seconds = async () =>
    (await valuesOf(metrics.openTransactionSeconds)).find(
      ({ labels }) => (labels as { topic: string }).topic === topic,
    )?.value ?? 0;
  await until(async () => (await seconds()) > 0.6, 'the open transaction is measured');
  const report = await until(async () => lines[0], 'the open transaction is reported');
  expect(report).toMatchObject({
    topic,
    partition: 1,
    lastStable: 0,
    transactions: [{ transactionalId: `${deployment.prefix}-foreign`, startOffset: 0 }],
  });
  await open.abort();
  await until(async () => (await seconds()) === 0, 'the transaction has ended');
  watch.stop();
});

test('transactions that end in time are not measured', async () => {
  await using deployment = await aDeployment(1);
  const topic = deployment.catalog.publications['gift-vouchers'];
  const { watch, lines } = watchOf(deployment, new Map([[0, 0]]));
  const producer = await connectTransaction(deployment.client, `${deployment.prefix}-foreign`);
  for (let i = 0; i < 20; i += 1) {
    await producer.send(topic, 0);
    await producer.commit();
    await producer.begin();
  }
  expect(lines).toEqual([]);
  await producer.abort();
  watch.stop();
});

test('the lag of a partition grows while its oldest record waits', async () => {
  await using deployment = await aDeployment(1);
  const { url } = await deployment.start('bridge');
  await post(url, aBody());
  await post(url, aBody());
  const positions = new Map([[0, 0]]);
  const { watch, metrics } = watchOf(deployment, positions);
  const lag = async () => (await valuesOf(metrics.lagSeconds))[0]?.value ?? 0;
  await until(async () => (await lag()) > 1, 'the lag grows');
  expect((await valuesOf(metrics.lagRecords))[0]?.value).toBe(2);
  positions.set(0, 2);
  await until(async () => (await lag()) === 0, 'nothing is behind');
  expect((await valuesOf(metrics.lagRecords))[0]?.value).toBe(0);
  watch.stop();
});

test('a processor shows its lag, its partitions and whether it is ready', async () => {
  await using deployment = await aDeployment(2);
  const { admin } = await deployment.start('processor');
  await until(async () => (await metric(admin, 'voucherbus_ready{')) === 1, 'it is ready');
  expect(await metric(admin, 'voucherbus_raw_partitions ')).toBe(2);
  await until(
    async () =>
      (await (await fetch(`${admin}/metrics`)).text()).includes('lag_seconds{partition="1"} 0'),
    'the lag of a partition without records is shown',
  );
});

test('raw records that retention deletes before a new group has processed any are counted as lost', async () => {
  await using deployment = await aDeployment(1);
  const { client, admin, catalog, prefix } = deployment;
  expect(await run(['setup'], deployment.env)).toMatchObject({ code: 0 });
  const bridge = await deployment.start('bridge');
  for (let i = 0; i < 5; i += 1) await post(bridge.url, aBody());
  await deleteRecords(client, catalog.raw, 0, 3);
  const { admin: url } = await deployment.start('processor');
  await until(async () => (await metric(url, 'voucherbus_records_out_total')) === 2, 'forwarded');
  expect(await metric(url, 'voucherbus_raw_records_lost_total')).toBe(3);
  expect([...(await admin.committedOffsets(prefix, catalog.raw))]).toEqual([[0, 5]]);
});

test('setup gives a new group its first offsets, once', async () => {
  await using deployment = await aDeployment(3);
  const { admin, catalog, prefix } = deployment;
  expect((await admin.committedOffsets(prefix, catalog.raw)).size).toBe(0);
  const first = await run(['setup'], deployment.env);
  expect(first).toMatchObject({ code: 0 });
  expect(first.output).toContain(`the group ${prefix} begins with 3 partitions`);
  expect([...(await admin.committedOffsets(prefix, catalog.raw))]).toEqual([
    [0, 0],
    [1, 0],
    [2, 0],
  ]);
  expect((await run(['setup'], deployment.env)).output).not.toContain('begins with');

  const bridge = await deployment.start('bridge');
  await post(bridge.url, aBody());
  const { admin: url } = await deployment.start('processor');
  await until(async () => (await metric(url, 'voucherbus_records_out_total')) === 1, 'forwarded');
  // Setup at an upgrade, while the group has members.
  expect(await run(['setup'], deployment.env)).toMatchObject({ code: 0 });
});
