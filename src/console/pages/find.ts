/** Finding an event by any id, and the story of one event. */

import type { WebhookPage } from '../../inspect/by-time.ts';
import type { Coverage, FoundWebhook } from '../../inspect/event-index.ts';
import { maskedTrace } from '../../inspect/mask.ts';
import type { Arrival, Trace } from '../../inspect/trace.ts';
import { formatPosition, type RecordPosition } from '../../kafka/record-position.ts';
import type { Person } from '../access.ts';
import { block, type Html, html } from '../html.ts';
import { foundAtMost } from '../search.ts';
import { command, copyLink, eventLink, eventPath, table, time } from './layout.ts';
import { cursorText, recordPath } from './topics.ts';

export function findForm(id: string): Html {
  return html`<form method="get" action="/find" role="search">
<label for="id">Publication, event, voucher code, or customer</label>
<input id="id" name="id" value="${id}" required autocomplete="off" spellcheck="false" maxlength="200">
<button>Find</button>
</form>
<p><a href="/events">All events in the order of time</a></p>`;
}

const webhookColumns = ['received', 'publication', 'type'];

function webhookRow({ key, receivedAtMs, eventType }: FoundWebhook): Html {
  return html`<tr><td>${time(receivedAtMs)}</td><td>${eventLink(key)}</td><td>${eventType ?? 'none'}</td></tr>`;
}

/** @param webhooks the newest first */
export function foundPage(id: string, webhooks: readonly FoundWebhook[]): Html {
  const isCut = webhooks.length === foundAtMost;
  return html`${findForm(id)}${table(webhookColumns, webhooks.map(webhookRow), `Webhooks that name ${id}`)}
${isCut && html`<p>Older ones are not shown.</p>`}`;
}

/** @param coverage undefined for a publication id, which the journal knows */
export function notFoundPage(id: string, trace: Trace, coverage: Coverage | undefined): Html {
  const { journalFromMs, lag } = trace;
  const since = journalFromMs === undefined ? '' : html` since ${time(journalFromMs)}`;
  return html`${findForm(id)}<section class="empty"><h2>${coverage && !coverage.isBuilt ? 'Not found yet' : 'Never received'}</h2>
<p>No webhook has the publication id ${id}${since}. ${coverage && searched(id, coverage)} ${lag > 0 ? `${lag} records of its partition are not processed yet.` : ''}</p>
<p>Did Voucherify publish it? <a href="/gaps">Gaps</a> shows what its own list says.</p>
${command(`voucherbus trace ${id}`)}</section>`;
}

function searched(id: string, { isBuilt, read, total, fromMs }: Coverage): Html {
  const what = 'event ids, vouchers and customers';
  if (!isBuilt) {
    return html`The ${what} of all webhooks are still being read: ${read} of ${total} records. <a href="/find?id=${encodeURIComponent(id)}">Look again</a>.`;
  }
  return fromMs === undefined
    ? html`No webhook on raw names it among its ${what}, either.`
    : html`No webhook since ${time(fromMs)} names it among its ${what}, either; the command below reads older ones, too.`;
}

/** @param at the time until which they came, as it was asked for; empty: now */
export function eventsPage({ webhooks, older }: WebhookPage, at: string): Html {
  const form = html`<form method="get" action="/events" role="search">
<label for="at">Received before (UTC, such as 2026-11-28T14:30)</label>
<input id="at" name="at" type="datetime-local" step="1" value="${at}">
<button>Show</button></form>`;
  if (webhooks.length === 0) {
    return html`${form}<section class="empty"><h2>None</h2><p>Raw has no webhook from before.</p></section>`;
  }
  return html`${form}${table(webhookColumns, webhooks.map(webhookRow), 'Webhooks, the newest first')}
${older && html`<p><a href="/events?before=${cursorText(older)}">Older</a></p>`}${copyLink()}`;
}

/** @param isUnmasked shows personal data; only for operators, and audited */
export function storyPage(trace: Trace, person: Person, isUnmasked: boolean): Html {
  const { key, arrivals, events } = isUnmasked ? trace : maskedTrace(trace);
  const steps = arrivals.flatMap((arrival) => stepsOf(arrival).map(withStart));
  const began = Math.min(...steps.map(({ atMs }) => atMs));
  const lasted = Math.max(1, ...steps.map(({ atMs }) => atMs - began));
  return html`<p>Publication <strong>${key}</strong></p>
<section><h2>What happened</h2>${waterfall(steps, began, lasted)}
${table(['when', 'what', 'where', 'details'], steps.map(stepRow), 'Steps')}</section>
<section><h2>The event as consumers see it</h2>
${events.length === 0 ? html`<p>No output event is kept.</p>` : ''}
${events.map(({ event, ...position }) => html`<h3>${recordLink(position)}</h3>${block(JSON.stringify(event, null, 2))}`)}
${unmaskForm(key, person, isUnmasked)}</section>
${copyLink()}${command(`voucherbus trace ${key}`)}`;
}

type Step = {
  readonly atMs: number;
  readonly what: string;
  readonly where: readonly RecordPosition[];
  readonly details: string;
};

function stepsOf({ position, receipt, decision }: Arrival): readonly Step[] {
  const received: Step = {
    atMs: receipt?.receivedAtMs ?? decision?.atMs ?? Number.NaN,
    what: receipt?.origin === 'BACKFILL' ? 'backfilled' : 'received',
    where: [position],
    details: receipt
      ? [
          `source ${receipt.source}`,
          receipt.origin === 'BACKFILL'
            ? `reconcile run ${receipt.reconcileRun ?? 'unknown'}`
            : `secret ${receipt.secretName}`,
          receipt.eventId && `event ${receipt.eventId}`,
          receipt.redrive && `redriven by ${receipt.redrive.by}`,
          receipt.traceId && `trace ${receipt.traceId}`,
        ]
          .filter(Boolean)
          .join(', ')
      : 'its record is no longer on raw',
  };
  if (decision === undefined) {
    return [received, { ...received, what: 'waiting', where: [], details: 'for a processor' }];
  }
  const { outcome, atMs, label = '', routesVersion, positions, duplicateOf } = decision;
  const { visibleAtMs } = decision;
  const what = outcome.toLowerCase().replaceAll('_', '-');
  const of = duplicateOf === undefined ? '' : `of raw offset ${duplicateOf}`;
  const details = outcome === 'DUPLICATE' ? of : `${label} by routes ${routesVersion}`;
  const decided = { atMs, what, where: positions, details };
  if (visibleAtMs === undefined) return [received, decided];
  const visible = { atMs: visibleAtMs, what: 'visible', where: [], details: 'to consumers' };
  return [received, decided, visible];
}

function stepRow({ atMs, what, where, details }: Step): Html {
  return html`<tr><td>${time(atMs)}</td><td>${what}</td><td>${where.map(recordLink)}</td><td>${details}</td></tr>`;
}

const recordLink = (position: RecordPosition) =>
  html`<a href="${recordPath(position)}">${formatPosition(position)}</a> `;

type StartedStep = Step & { readonly startMs: number };

/** A step begins when the one before it ends. */
function withStart(step: Step, i: number, steps: readonly Step[]): StartedStep {
  return { ...step, startMs: steps[i - 1]?.atMs ?? step.atMs };
}

const units = [
  [86_400_000, 'd'],
  [3_600_000, 'h'],
  [60_000, 'min'],
  [1_000, 's'],
] as const;

/** Formats a duration with one unit, in milliseconds below ten seconds. */
function duration(ms: number): string {
  const unit = ms < 10_000 ? undefined : units.find(([size]) => ms >= size);
  return unit === undefined ? `${Math.round(ms)} ms` : `${(ms / unit[0]).toFixed(1)} ${unit[1]}`;
}

/** The steps on one time axis, each with the time since the step before it. */
function waterfall(steps: readonly StartedStep[], began: number, lasted: number): Html {
  const height = steps.length * 26 + 8;
  const xOf = (atMs: number) => 20 + ((atMs - began) / lasted) * 650;
  const rows = steps.map(({ atMs, startMs, what }, i) => {
    const [from, x, y] = [xOf(startMs), xOf(atMs), i * 26 + 17];
    const text = `${what} +${duration(atMs - began)}`;
    return html`<line x1="${from}" y1="${y}" x2="${x}" y2="${y}"/><circle cx="${x}" cy="${y}" r="6"/><text x="${x + 12}" y="${y + 5}">${text}</text>`;
  });
  return html`<svg class="waterfall" viewBox="0 0 950 ${height}" role="img" aria-label="${steps.length} steps in ${duration(lasted)}">${rows}</svg>`;
}

function unmaskForm(key: string, { role, formToken }: Person, isUnmasked: boolean): Html {
  if (isUnmasked)
    return html`<p>Personal data is shown, and that you looked is in the audit log.</p>`;
  if (role !== 'operator') return html`<p>Personal data is masked. An operator can show it.</p>`;
  return html`<form method="post" action="${eventPath(key)}/unmask">
<input type="hidden" name="form" value="${formToken}">
<button>Show personal data (audited)</button></form>`;
}
