/**
 * The Grafana board, from the table of its panels below. `make docs` writes its JSON;
 * test/deploy/dashboard.test.ts runs every query on a real Prometheus.
 */

import { expect, test } from 'vitest';

type Query = readonly [expression: string, legend: string];
type Panel = {
  readonly title: string;
  /** How a reader uses it. */
  readonly description: string;
  readonly kind?: 'stat' | 'timeseries';
  readonly unit?: 'short' | 's' | 'bytes' | 'percentunit' | 'reqps' | 'd';
  /** A stat turns red from this value on. */
  readonly badFrom?: number;
  readonly queries: readonly Query[];
};

const of = (metric: string, labels = '') =>
  `voucherbus_${metric}{job=~"$job"${labels === '' ? '' : `,${labels}`}}`;
const rate = (metric: string, labels = '') => `rate(${of(metric, labels)}[$__rate_interval])`;
const quantiles = (histogram: string): readonly Query[] =>
  [0.5, 0.95, 0.99].map((quantile) => [
    `histogram_quantile(${quantile}, sum by (le) (${rate(`${histogram}_bucket`)}))`,
    `p${quantile * 100}`,
  ]);

const rows: Readonly<Record<string, readonly Panel[]>> = {
  'Is the promise kept?': [
    {
      title: 'Not ready',
      description: 'Bridges and processors whose /readyz does not respond with 200.',
      kind: 'stat',
      badFrom: 1,
      queries: [[`count(${of('ready')} == 0) or vector(0)`, 'not ready']],
    },
    {
      title: 'Raw records lost, 24 h',
      description: 'Retention deleted them before they were processed. Runbook: raw-records-lost.',
      kind: 'stat',
      badFrom: 1,
      queries: [[`round(sum(increase(${of('raw_records_lost_total')}[24h])))`, 'lost']],
    },
    {
      title: 'Dead letters, 24 h',
      description: 'List them: voucherbus dead-letters list.',
      kind: 'stat',
      badFrom: 1,
      queries: [
        [
          `round(sum(increase(${of('events_total', 'outcome="dead-letter"')}[24h])))`,
          'dead letters',
        ],
      ],
    },
    {
      title: 'Oldest unprocessed record',
      description: 'How far behind the slowest partition is.',
      kind: 'stat',
      unit: 's',
      badFrom: 30,
      queries: [[`max(${of('consumer_lag_seconds')})`, 'lag']],
    },
    {
      title: 'Longest open transaction',
      description: 'Consumers do not see records behind it. Runbook: open-transaction.',
      kind: 'stat',
      unit: 's',
      badFrom: 20,
      queries: [[`max(${of('open_transaction_seconds')})`, 'open']],
    },
    {
      title: 'Partitions without owner',
      description: 'Partitions of raw that no processor has.',
      kind: 'stat',
      badFrom: 1,
      queries: [[`max(${of('raw_partitions')}) - sum(${of('assigned_partitions')})`, 'partitions']],
    },
  ],
  'How far behind': [
    {
      title: 'Webhooks received and events decided',
      description: 'The two curves cover each other while the processors keep up.',
      unit: 'reqps',
      queries: [
        [`sum(${rate('webhooks_received_total', 'outcome=~"stored|spooled"')})`, 'webhooks'],
        [`sum(${rate('events_total')})`, 'decided'],
      ],
    },
    {
      title: 'Lag by partition',
      description: 'Raw records that are not processed.',
      queries: [[`max by (partition) (${of('consumer_lag_records')})`, 'partition {{partition}}']],
    },
    {
      title: 'Age of the oldest unprocessed record',
      description: 'The same in time, by partition.',
      unit: 's',
      queries: [[`max by (partition) (${of('consumer_lag_seconds')})`, 'partition {{partition}}']],
    },
    {
      title: 'Open transaction by topic',
      description: 'How long the last stable offset has stood still below the end of the log.',
      unit: 's',
      queries: [[`max by (topic) (${of('open_transaction_seconds')})`, '{{topic}}']],
    },
  ],
  'What is parked, and why': [
    {
      title: 'Dead letters by reason',
      description: 'New dead letters per hour.',
      queries: [
        [
          `sum by (reason) (increase(${of('events_total', 'outcome="dead-letter"')}[1h])) > 0 or sum by (reason) (${of('events_total', 'outcome="dead-letter"')}) * 0`,
          '{{reason}}',
        ],
      ],
    },
    {
      title: 'Decisions',
      description: 'Raw records by what the processor decided.',
      unit: 'reqps',
      queries: [[`sum by (outcome) (${rate('events_total')})`, '{{outcome}}']],
    },
    {
      title: 'Events out by topic',
      description: 'Committed records of the output topics.',
      unit: 'reqps',
      queries: [[`sum by (topic) (${rate('records_out_total')})`, '{{topic}}']],
    },
    {
      title: 'Responses of the bridge',
      description: 'Anything but stored deserves a look.',
      unit: 'reqps',
      queries: [[`sum by (outcome) (${rate('webhooks_received_total')})`, '{{outcome}}']],
    },
  ],
  'Who holds what': [
    {
      title: 'Partitions by processor',
      description: 'An even share is usual.',
      queries: [
        [
          `${of('assigned_partitions')} and on (instance) ${of('ready', 'service="processor"')}`,
          '{{instance}}',
        ],
      ],
    },
    {
      title: 'Remembered ids by partition',
      description: 'Publication ids within DEDUP_WINDOW: 34 bytes of memory each.',
      queries: [[`max by (partition) (${of('dedup_entries')})`, 'partition {{partition}}']],
    },
    {
      title: 'Leases taken, by reason',
      description: 'assigned: after a rebalance. failed: after a failed transaction.',
      queries: [[`sum by (reason) (increase(${of('leases_total')}[5m]))`, '{{reason}}']],
    },
    {
      title: 'Rebalances',
      description: 'Each pauses the partitions that move.',
      queries: [[`sum(increase(${of('rebalances_total')}[5m]))`, 'joins']],
    },
  ],
  'From received to visible': [
    {
      title: 'From the arrival at the bridge to the commit',
      description: 'By the clocks of bridge and processor.',
      unit: 's',
      queries: quantiles('end_to_end_seconds'),
    },
    {
      title: 'Response of the bridge',
      description: 'Voucherify gives up after 10 s.',
      unit: 's',
      queries: quantiles('webhook_duration_seconds'),
    },
    {
      title: 'Transaction',
      description: 'From its begin to the response of the commit.',
      unit: 's',
      queries: quantiles('transaction_duration_seconds'),
    },
    {
      title: 'Records in one transaction',
      description: 'At TRANSACTION_MAX_RECORDS the processors work at their limit.',
      queries: quantiles('transaction_records'),
    },
  ],
  Spool: [
    {
      title: 'Webhooks that wait for Kafka',
      description: 'On the disks of the bridges.',
      queries: [[`sum(${of('spool_webhooks')})`, 'webhooks']],
    },
    {
      title: 'Spool, used',
      description: 'When it is full, the bridge responds 503.',
      unit: 'bytes',
      queries: [
        [`sum(${of('spool_bytes')})`, 'used'],
        [`sum(${of('spool_limit_bytes')})`, 'limit'],
      ],
    },
    {
      title: 'Oldest webhook in a spool',
      description: 'Since it was received.',
      unit: 's',
      queries: [[`max(${of('spool_oldest_age_seconds')})`, 'age']],
    },
    {
      title: 'Kept in files',
      description: 'Damaged entries, and webhooks that Kafka refuses for good.',
      queries: [
        [`sum(${of('spool_damaged')})`, 'damaged'],
        [`sum(${of('spool_refused')})`, 'refused'],
      ],
    },
  ],
  'Broker errors, restarts, resources': [
    {
      title: 'Transactions by outcome',
      description: 'failed: retried. fenced: another processor has the partition.',
      unit: 'reqps',
      queries: [[`sum by (outcome) (${rate('transactions_total')})`, '{{outcome}}']],
    },
    {
      title: 'Restarts and dead workers',
      description: 'In the last hour, by instance.',
      queries: [
        [
          'changes(process_start_time_seconds{job=~"$job"}[1h]) and on (instance) voucherbus_build_info',
          'restarts {{instance}}',
        ],
        [`increase(${of('worker_deaths_total')}[1h])`, 'dead workers {{instance}}'],
      ],
    },
    {
      title: 'Reload failing, clock refused',
      description:
        '1 while a changed file cannot be used; writes that Kafka refused by their time.',
      queries: [
        [`max(${of('reload_failing')}) or vector(0)`, 'reload failing'],
        [`sum(increase(${of('clock_refusals_total')}[5m]))`, 'clock'],
      ],
    },
    {
      title: 'Days until a certificate ends',
      description: 'The first certificate of Kafka or the registry. Empty without TLS.',
      unit: 'd',
      queries: [
        [
          `min by (peer) (${of('certificate_not_after_timestamp_seconds')} - time()) / 86400`,
          '{{peer}}',
        ],
      ],
    },
    {
      title: 'CPU',
      description: 'Cores in use.',
      queries: [
        [
          'rate(process_cpu_seconds_total{job=~"$job"}[$__rate_interval]) and on (instance) voucherbus_build_info',
          '{{instance}}',
        ],
      ],
    },
    {
      title: 'Memory',
      description: 'Resident memory of the processes. The limit is 0 where the container has none.',
      unit: 'bytes',
      queries: [
        [
          'process_resident_memory_bytes{job=~"$job"} and on (instance) voucherbus_build_info',
          '{{instance}}',
        ],
        [`max(${of('memory_limit_bytes')})`, 'limit'],
      ],
    },
    {
      title: 'Delay of the event loop',
      description: 'p99. Above 0.1 s the process has too little CPU.',
      unit: 's',
      queries: [
        [
          'nodejs_eventloop_lag_p99_seconds{job=~"$job"} and on (instance) voucherbus_build_info',
          '{{instance}}',
        ],
      ],
    },
    {
      title: 'Webhooks in memory',
      description: 'Not yet answered, of all bridges.',
      queries: [[`sum(${of('webhooks_in_flight')})`, 'webhooks']],
    },
  ],
};

/** Grafana's grid has 24 columns. */
const columns = 24;
const datasource = { type: 'prometheus', uid: '$' + '{datasource}' };

function panelOf(panel: Panel, id: number, gridPos: object): object {
  const { title, description, kind = 'timeseries', unit = 'short', badFrom, queries } = panel;
  const steps = [
    { color: 'green', value: null },
    ...(badFrom === undefined ? [] : [{ color: 'red', value: badFrom }]),
  ];
  return {
    id,
    type: kind,
    title,
    description,
    gridPos,
    datasource,
    fieldConfig: {
      defaults: { unit, min: 0, thresholds: { mode: 'absolute', steps } },
      overrides: [],
    },
    options:
      kind === 'stat'
        ? { colorMode: 'background', reduceOptions: { calcs: ['lastNotNull'] } }
        : { legend: { displayMode: 'list', placement: 'bottom' }, tooltip: { mode: 'multi' } },
    targets: queries.map(([expr, legendFormat], i) => {
      return { refId: String.fromCharCode(65 + i), datasource, expr, legendFormat };
    }),
  };
}

function panels(): readonly object[] {
  const all: object[] = [];
  let y = 0;
  for (const [title, list] of Object.entries(rows)) {
    const heading = { id: all.length + 1, type: 'row', title, collapsed: false, panels: [] };
    all.push({ ...heading, gridPos: { x: 0, y, w: columns, h: 1 } });
    y += 1;
    const isStat = list[0]?.kind === 'stat';
    const [w, h] = isStat ? [columns / list.length, 4] : [columns / 4, 7];
    for (const [i, panel] of list.entries()) {
      const x = (i * w) % columns;
      const below = Math.floor((i * w) / columns) * h;
      all.push(panelOf(panel, all.length + 1, { x, y: y + below, w, h }));
    }
    y += Math.ceil((list.length * w) / columns) * h;
  }
  return all;
}

const board = {
  uid: 'voucherbus',
  title: 'voucherbus',
  tags: ['voucherbus', 'kafka'],
  timezone: 'browser',
  schemaVersion: 39,
  version: 1,
  editable: true,
  refresh: '10s',
  time: { from: 'now-30m', to: 'now' },
  templating: {
    list: [
      { name: 'datasource', label: 'Data source', type: 'datasource', query: 'prometheus' },
      {
        name: 'job',
        label: 'Job',
        type: 'query',
        datasource,
        query: { query: 'label_values(voucherbus_build_info, job)', refId: 'job' },
        includeAll: true,
        multi: true,
        allValue: '.*',
        current: { text: 'All', value: '$__all' },
        refresh: 2,
      },
    ],
  },
  annotations: { list: [] },
  links: [],
  panels: panels(),
};

test('the board of Grafana is current', async () => {
  await expect(`${JSON.stringify(board, null, 2)}\n`).toMatchFileSnapshot(
    '../../../deploy/helm/voucherbus/files/dashboard.json',
  );
});

test('each title is used once, so that a reader can name a panel', () => {
  const titles = Object.values(rows).flatMap((list) => list.map(({ title }) => title));
  expect(new Set(titles).size).toBe(titles.length);
});
