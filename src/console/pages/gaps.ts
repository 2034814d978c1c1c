/** The webhook at Voucherify, and what `voucherbus reconcile` found. */

import type { Run } from '../../reconcile/run-log.ts';
import { type Html, html } from '../html.ts';
import type { Member } from '../members.ts';
import { flowOf, sumOf } from '../now.ts';
import type { ReconcileRuns } from '../reads.ts';
import { command, table, time } from './layout.ts';

export function gapsPage(members: readonly Member[], { run, ended }: ReconcileRuns): Html {
  const { webhook } = flowOf(members);
  const services = members.filter(({ service }) => service === 'reconcile');
  const progress = services.map(({ parts }) => parts['run']).find((text) => text !== undefined);
  const counts = html`<dl>
<div><dt>Missing after the last run</dt><dd>${sumOf(members, 'reconcile_missing')}</dd></div>
<div><dt>Backfilled</dt><dd>${sumOf(members, 'reconcile_backfilled_total')}</dd></div>
<div><dt>Calls to Voucherify's API</dt><dd>${sumOf(members, 'reconcile_api_calls_total')}</dd></div>
<div><dt>Now</dt><dd>${progress ?? 'waiting for its first run'}</dd></div>
</dl>`;
  return html`<section><h2>Voucherify's webhook</h2>
<p>${webhook ?? 'No bridge watches it: set VOUCHERIFY_MANAGEMENT_ID.'}</p>${command('voucherbus webhook status')}</section>
<section><h2>The service</h2>${services.length > 0 ? counts : html`<p>None runs: voucherbus reconcile --since 2d --execute --every 15m</p>`}</section>
<section><h2>The latest run</h2>${run ? runFacts(run) : html`<p>No run is known: set RECONCILE=true and run voucherbus setup.</p>`}
${ended.length > 0 && endedRuns(ended)}
${command('voucherbus reconcile --since 2d')}</section>`;
}

function endedRuns(ended: readonly Run[]): Html {
  const rows = ended.toReversed().map(({ finishedAt, since, until, ...run }) => {
    const counts = [run.rows, run.missing, run.backfilled, run.apiCalls, run.callsLeft];
    return html`<tr><td>${time(finishedAt ?? 0)}</td><td>${time(since)}</td><td>${time(until)}</td>${counts.map((count) => html`<td>${count ?? 'unknown'}</td>`)}</tr>`;
  });
  const names = ['ended', 'from', 'until', 'rows', 'missing', 'backfilled', 'calls', 'calls left'];
  return table(names, rows, 'Runs that ended');
}

function runFacts({ runId, since, until, startedAt, finishedAt, reconciledUntil, apiCalls }: Run) {
  return html`<dl>
<div><dt>Run</dt><dd>${runId}</dd></div>
<div><dt>Publications made from</dt><dd>${time(since)}</dd></div>
<div><dt>until</dt><dd>${time(until)}</dd></div>
<div><dt>Started</dt><dd>${time(startedAt)}</dd></div>
<div><dt>Ended</dt><dd>${finishedAt === null ? 'not yet, or it was killed' : time(finishedAt)}</dd></div>
<div><dt>Nothing is missing before</dt><dd>${reconciledUntil === null ? 'not known yet' : time(reconciledUntil)}</dd></div>
<div><dt>Calls to Voucherify's API</dt><dd>${apiCalls}</dd></div>
</dl>`;
}
