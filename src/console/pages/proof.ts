/** The verdicts of `voucherbus verify`, and a run. */

import type { Person } from '../access.ts';
import { type Html, html } from '../html.ts';
import type { Proof, ProofRun } from '../proofs.ts';
import { command, table, time } from './layout.ts';

export function proofPage(
  proofs: readonly Proof[],
  run: ProofRun | undefined,
  person: Person,
): Html {
  const [last] = proofs;
  return html`${last ? verdict(last) : nothingYet}
<div data-live="/proof/events">${runParts(run)}</div>
${runForm(run, person)}
${proofs.length > 1 && table(['when', 'verdict', 'webhooks', 'from'], proofs.map(row), 'The last verdicts')}
${command('voucherbus verify')}`;
}

const nothingYet = html`<section class="empty"><h2>No verdict yet</h2>
<p>A run posts webhooks through a bridge and processors on topics of its own, kills processors meanwhile, and checks that each event came out exactly once. Reports of the command line are shown, too, if CONSOLE_REPORTS names their directory.</p></section>`;

function verdict({ atMs, isExact, counts, invariants, from }: Proof): Html {
  const items = invariants.map(
    ({ invariant, violations }) =>
      html`<li>${violations === 0 ? '✓' : '✗'} ${invariant}${violations > 0 ? `: ${violations} violations` : ''}</li>`,
  );
  const facts = Object.entries(counts).map(
    ([name, count]) => html`<div><dt>${inWords(name)}</dt><dd>${count}</dd></div>`,
  );
  return html`<section class="${isExact ? 'good' : 'bad'}"><p class="verdict">${text(isExact)}</p><p>${time(atMs)}, ${from}</p></section>
<section><h2>What was checked</h2><ul class="plain">${items}</ul></section>
<section><h2>What was counted</h2><dl>${facts}</dl></section>`;
}

/** deadLetters: dead letters. */
const inWords = (name: string) => name.replaceAll(/[A-Z]/g, (one) => ` ${one.toLowerCase()}`);

const text = (isExact: boolean) => (isExact ? 'Exactly once' : 'Not exactly once');

function row({ atMs, isExact, counts, from }: Proof): Html {
  return html`<tr><td>${time(atMs)}</td><td>${text(isExact)}</td><td>${counts['acknowledged'] ?? 0}</td><td>${from}</td></tr>`;
}

/** One part with an id, for live updates. */
export function runParts(run: ProofRun | undefined): Html {
  if (run === undefined) return html`<section id="run" role="status"></section>`;
  const { by, startedAtMs, state } = run;
  const shown =
    state === 'done'
      ? html`<a href="/proof">Its verdict</a>: ${run.text}`
      : html`${state}: ${run.text}`;
  return html`<section id="run" role="status"><p>Run by ${by}, started ${time(startedAtMs)}. ${shown}</p></section>`;
}

function runForm(run: ProofRun | undefined, { role, formToken }: Person): Html {
  if (role !== 'operator') return html`<p>An operator can start a run.</p>`;
  if (run?.state === 'running') return html``;
  return html`<form method="post" action="/proof"><input type="hidden" name="form" value="${formToken}">
<p>It runs on the cluster in use, on topics of its own (verify-…), which it removes again; no consumer sees its events.</p>
<button>Run: 2,000 webhooks or more, three kills (audited)</button></form>`;
}
