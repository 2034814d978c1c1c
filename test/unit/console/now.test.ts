import { expect, test } from 'vitest';
import type { Member } from '../../../src/console/members.ts';
import { samplesOf } from '../../../src/console/metrics-text.ts';
import { flowOf, problemsOf, Watch } from '../../../src/console/now.ts';

function member(service: string, metrics: string, change: Partial<Member> = {}): Member {
  const samples = samplesOf(metrics).map((sample) => ({ ...sample, rate: 0, recent: 0 }));
  return {
    ...{ address: `${service}:9464`, service, isReady: true, parts: {}, problem: undefined },
    ...{ samples, atMs: 0 },
    ...change,
  };
}

const bridge = member('bridge', 'voucherbus_spool_webhooks 0');
const processor = member(
  'processor',
  'voucherbus_raw_partitions 2\nvoucherbus_assigned_partitions 2\nvoucherbus_consumer_lag_records{partition="0"} 3',
);

test("the text format is read, with escaped labels and without others' metrics", () => {
  const text =
    '# HELP x\nprocess_cpu 1\nvoucherbus_a_total{b="x\\"y",c="1"} 2\nvoucherbus_h_bucket{le="1"} 3\n';
  expect(samplesOf(text)).toEqual([{ name: 'a_total', labels: { b: 'x"y', c: '1' }, value: 2 }]);
});

test('a healthy deployment has no problem', () => {
  expect(problemsOf([bridge, processor])).toEqual([]);
  expect(flowOf([bridge, processor])).toMatchObject({ lagRecords: 3, readyProcessors: 1 });
});

const idsOf = (...members: readonly Member[]) => problemsOf(members).map(({ id }) => id);

test.each<[string, string, Member]>([
  ['spool', 'bridge', member('bridge', 'voucherbus_spool_webhooks 7')],
  ['webhook', 'bridge', member('bridge', 'voucherbus_webhook_configured{check="active"} 0')],
  ['reload', 'bridge', member('bridge', 'voucherbus_reload_failing{file="routes"} 1')],
  ['lag', 'processor', member('processor', 'voucherbus_consumer_lag_seconds{partition="0"} 31')],
  ['open', 'processor', member('processor', 'voucherbus_open_transaction_seconds{topic="t"} 21')],
  ['no-owner', 'processor', member('processor', 'voucherbus_raw_partitions 2')],
  [
    'member bridge:9464',
    'bridge',
    member('bridge', '', { isReady: false, problem: 'ECONNREFUSED' }),
  ],
  ['missing', 'reconcile', member('reconcile', 'voucherbus_reconcile_missing 2')],
  ['reconcile', 'reconcile', member('reconcile', 'voucherbus_reconcile_failing 1')],
  [
    'letters',
    'processor',
    member('processor', '', {
      samples: [
        { name: 'events_total', labels: { outcome: 'dead-letter' }, value: 1, rate: 0, recent: 1 },
      ],
    }),
  ],
])('%s is a problem of its own', (id, service, wrong) => {
  const others = [bridge, processor].filter((one) => one.service !== service);
  expect(idsOf(wrong, ...others)).toEqual([id]);
});

test('no bridge at all is a problem', () => {
  expect(idsOf(processor)).toEqual(['no-bridge']);
});

test('a problem keeps its time while it flickers, and begins anew after it ended', () => {
  const watch = new Watch();
  const wrong = member('bridge', 'voucherbus_spool_webhooks 7');
  const [problem] = problemsOf([wrong]);
  if (!problem) throw new Error('expected a problem');
  watch.observe([wrong], 1_000);
  watch.observe([bridge], 2_000);
  watch.observe([wrong], 3_000);
  expect(watch.sinceOf(problem)).toBe(1_000);
  watch.observe([bridge], 60_000);
  expect(watch.sinceOf(problem)).toBeUndefined();
});
