/** Redrives: what one would do, and the jobs. */

import type { LetterSummary } from '../../inspect/dead-letters.ts';
import type { Triage } from '../../inspect/redrive.ts';
import type { Person } from '../access.ts';
import { type Html, html } from '../html.ts';
import type { Job } from '../redrive-jobs.ts';
import { command, table, time } from './layout.ts';

const outcomes: Readonly<Record<Triage, string>> = {
  send: 'would be redriven',
  'sent-before': 'were redriven before',
  'needs-allow-stale':
    'are older than DEDUP_WINDOW: only the command line can send them (--allow-stale)',
  'too-many-attempts': 'failed five times: only the command line can send them (--force)',
};

const samples = 5;

/** The dry run. */
export function redrivePage(
  reason: string | undefined,
  found: ReadonlyMap<Triage, readonly LetterSummary[]>,
  person: Person,
): Html {
  const counts = [...found].map(
    ([triage, letters]) => html`<li>${letters.length} ${outcomes[triage]}</li>`,
  );
  const chosen = found.get('send') ?? [];
  const rows = chosen
    .slice(0, samples)
    .map(
      ({ position: { partition, offset }, key = '', message }) =>
        html`<tr><td><a href="/dead-letters/${partition}/${offset}">${partition}@${offset}</a></td><td>${key}</td><td>${message}</td></tr>`,
    );
  return html`<p>Letters with ${reason === undefined ? 'any reason' : html`the reason <strong>${reason}</strong>`}. Nothing has been sent.</p>
<ul>${counts.length > 0 ? counts : html`<li>There are none.</li>`}</ul>
${rows.length > 0 && table(['letter', 'publication', 'expected and found'], rows, `The first ${rows.length}`)}
${chosen.length > 0 && confirm(reason, chosen.length, person)}
${command(`voucherbus dead-letters redrive${reason === undefined ? '' : ` --reason ${reason}`}`)}`;
}

function confirm(reason: string | undefined, count: number, { role, formToken }: Person): Html {
  if (role !== 'operator') return html`<p>An operator can send them.</p>`;
  return html`<p>Correct the cause first: routes, reference data, or the version of voucherbus. Each event passes once, however often it is sent.</p>
<form method="post" action="/redrives">
<input type="hidden" name="form" value="${formToken}">
${reason !== undefined && html`<input type="hidden" name="reason" value="${reason}">`}
<button>Send ${count} back to raw (audited)</button></form>`;
}

export function jobsPage(jobs: readonly Job[]): Html {
  const rows = jobs.map(
    (job) =>
      html`<tr><td><a href="/redrives/${job.id}">${job.id}</a></td><td>${time(job.startedAtMs)}</td><td>${job.by}</td><td>${job.reason ?? 'any'}</td><td>${job.sent} of ${job.total}</td><td>${job.state}</td></tr>`,
  );
  if (rows.length === 0) {
    return html`<section class="empty"><h2>None</h2><p>No redrive was started since this console started. <a href="/redrive">See what a redrive would do.</a></p></section>`;
  }
  return table(['job', 'started', 'by', 'reason', 'sent', 'state'], rows, 'Jobs of this console');
}

export function jobPage(job: Job, person: Person): Html {
  return html`<div data-live="/redrives/${job.id}/events">${jobParts(job)}</div>
${job.state === 'running' && person.role === 'operator' && html`<form method="post" action="/redrives/${job.id}/cancel"><input type="hidden" name="form" value="${person.formToken}"><button>Cancel</button></form>`}
<p><a href="/redrives">All jobs</a></p>`;
}

/** One part with an id, for live updates. */
export function jobParts({ state, sent, total, by, reason, startedAtMs, problem }: Job): Html {
  return html`<section id="job" role="status"><p><progress value="${sent}" max="${Math.max(1, total)}" aria-label="Letters sent"></progress> ${sent} of ${total} sent: ${state}</p>
${problem !== undefined && html`<p role="alert">${problem}</p>`}
<p>Started by ${by} at ${time(startedAtMs)}, for ${reason === undefined ? 'every reason' : `the reason ${reason}`}. Each decision is in the <a href="/dead-letters">dead letters</a> or in the story of its event.</p></section>`;
}
