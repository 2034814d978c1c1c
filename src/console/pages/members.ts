/** The members of the deployment, with their parts and the partitions that they hold. */

import { type Html, html } from '../html.ts';
import type { Member } from '../members.ts';
import { table, time } from './layout.ts';

export function membersPage(members: readonly Member[]): Html {
  if (members.length === 0) {
    return html`<section class="empty"><h2>None</h2>
<p>No address in CONSOLE_MEMBERS has responded yet. They are the admin ports (ADMIN_PORT) of bridges, processors and reconcile services.</p></section>`;
  }
  const rows = members.map(memberRow);
  const names = [
    'service',
    'address',
    'ready',
    'last response',
    'workers',
    'worker deaths',
    'rebalances',
    'last rebalance',
    'parts',
  ];
  return html`${table(names, rows, 'Members')}${restoring(members)}${partitionsOf(members)}`;
}

const metricOf = ({ samples }: Member, metric: string) =>
  samples.find(({ name }) => name === metric)?.value ?? 0;

function memberRow(member: Member): Html {
  const { service, address, isReady, atMs, parts, problem } = member;
  const list = Object.entries(parts).map(([part, text]) => html`<li>${part}: ${text}</li>`);
  const about = problem === undefined ? html`<ul>${list}</ul>` : html`<p>${problem}</p>`;
  const counts = ['workers', 'worker_deaths_total', 'rebalances_total'].map(
    (metric) => html`<td>${metricOf(member, metric)}</td>`,
  );
  const rebalancedAt = metricOf(member, 'last_rebalance_timestamp_seconds');
  return html`<tr class="${isReady ? 'good' : 'bad'}"><td>${service ?? 'unknown'}</td><td>${address}</td><td>${isReady ? 'yes' : 'no'}</td><td>${time(atMs)}</td>${counts}<td>${rebalancedAt === 0 ? 'none' : time(rebalancedAt * 1_000)}</td><td>${about}</td></tr>`;
}

/** Partitions whose journal a processor reads before it takes them. */
function restoring(members: readonly Member[]): Html {
  const rows = members.flatMap(({ address, samples }) =>
    samples
      .filter(({ name }) => name === 'dedup_restore_ratio')
      .map(({ labels, value }) => {
        const percent = Math.floor(value * 100);
        return html`<tr><td>${labels['partition']}</td><td>${address}</td><td><progress value="${percent}" max="100" aria-label="${percent} per cent"></progress> ${percent} %</td></tr>`;
      }),
  );
  return rows.length === 0
    ? html``
    : table(['partition', 'taken by', 'journal read'], rows, 'Being restored');
}

function partitionsOf(members: readonly Member[]): Html {
  const rows = members
    .flatMap((member) =>
      member.samples
        .filter(({ name }) => name === 'consumer_lag_records')
        .map(({ labels, value }) => {
          const partition = labels['partition'] ?? '';
          const of = (metric: string) =>
            member.samples.find(
              (one) => one.name === metric && one.labels['partition'] === partition,
            )?.value ?? 0;
          return { partition: Number(partition), member, records: value, of };
        }),
    )
    .sort((a, b) => a.partition - b.partition)
    .map(
      ({ partition, member, records, of }) =>
        html`<tr><td>${partition}</td><td>${member.address}</td><td>${records}</td><td>${of('consumer_lag_seconds').toFixed(1)} s</td><td>${of('dedup_entries')}</td></tr>`,
    );
  if (rows.length === 0) return html`<p>No processor holds a partition.</p>`;
  const names = ['partition', 'held by', 'records waiting', 'oldest', 'ids remembered'];
  return table(names, rows, 'Partitions of raw');
}
