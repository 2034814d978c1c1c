import { expect, test } from 'vitest';
import {
  countersOf,
  renderMetrics,
  snapshotOf,
} from '../../../src/observability/aggregate-metrics.ts';
import { createMetrics } from '../../../src/observability/metrics.ts';

const valueIn = (text: string, series: string) =>
  Number(
    text
      .split('\n')
      .find((line) => line.startsWith(`${series} `))
      ?.split(' ')[1],
  );

test('counters and histograms are added, versions are not, and of ages the largest counts', async () => {
  const [first, second] = [createMetrics({ version: '1' }), createMetrics({ version: '1' })];
  first.recordsOut.inc({ topic: 'a' }, 2);
  second.recordsOut.inc({ topic: 'a' }, 3);
  first.transactionSeconds.observe(0.002);
  second.transactionSeconds.observe(0.2);
  first.spoolAgeSeconds.set(7);
  second.spoolAgeSeconds.set(5);
  const text = await renderMetrics([await snapshotOf(first), await snapshotOf(second)]);
  expect(valueIn(text, 'voucherbus_records_out_total{topic="a"}')).toBe(5);
  expect(valueIn(text, 'voucherbus_transaction_duration_seconds_bucket{le="0.1"}')).toBe(1);
  expect(valueIn(text, 'voucherbus_transaction_duration_seconds_count')).toBe(2);
  expect(valueIn(text, 'voucherbus_spool_oldest_age_seconds')).toBe(7);
  expect(valueIn(text, `voucherbus_build_info{version="1",node="${process.version}"}`)).toBe(1);
});

test('what a process has counted outlives it; what it was does not', async () => {
  const gone = createMetrics({ version: '1' });
  gone.recordsOut.inc({ topic: 'a' }, 2);
  gone.partitions.set(4);
  const past = await countersOf([[], await snapshotOf(gone)]);
  const successor = createMetrics({ version: '1' });
  successor.recordsOut.inc({ topic: 'a' }, 1);
  const text = await renderMetrics([await snapshotOf(successor), await countersOf([past, past])]);
  expect(valueIn(text, 'voucherbus_records_out_total{topic="a"}')).toBe(5);
  expect(valueIn(text, 'voucherbus_assigned_partitions')).toBe(0);
});
