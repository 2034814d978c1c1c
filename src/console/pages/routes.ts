/** The routes in force, and what others would change for the last events. */

import type { CampaignReference } from '../../avro/records.ts';
import type { Comparison } from '../../inspect/compare-routes.ts';
import type { Routes } from '../../routing/routes.ts';
import type { Person } from '../access.ts';
import { block, type Html, html, lines } from '../html.ts';
import { command, eventLink, table, time } from './layout.ts';

export type RoutesInForce = {
  readonly version: string;
  readonly outline: Routes['outline'];
  /** How many of the last events each route takes, by its name. */
  readonly counts: ReadonlyMap<string, number>;
  /** The file; undefined for the built-in routes. */
  readonly text: string | undefined;
  /** Events that were looked at. */
  readonly events: number;
  /** Events that no route takes. */
  readonly parked: number;
};

export type Tried =
  | { readonly kind: 'compared'; readonly version: string; readonly comparison: Comparison }
  | { readonly kind: 'invalid'; readonly problems: string };

/** @param references undefined: the deployment has no such topic */
export function routesPage(
  inForce: RoutesInForce,
  references: readonly CampaignReference[] | undefined,
  person: Person,
): Html {
  const { version, text, events, parked } = inForce;
  return html`<section><h2>In force: ${version}</h2>${picture(inForce)}
${text === undefined ? html`<p>The built-in routes: one topic for each type of campaign (ROUTES_FILE is not set).</p>` : html`<details><summary>The file</summary>${block(text)}</details>`}
<p>${events === 0 ? 'There is no event on raw yet.' : `Shares of the last ${events} events.`} ${parked > 0 ? `No route takes ${parked} of them: they become dead letters.` : ''}</p></section>
${tryForm(text ?? '', person)}${command('voucherbus routes try FILE')}
${referenceData(references)}`;
}

/** Each route: its conditions, its topics, and its share of the last events. */
function picture({ outline, counts, events }: RoutesInForce): Html {
  const items = outline.map(({ name, when, topics }) => {
    const count = counts.get(name) ?? 0;
    const share = `${count} of ${events}`;
    return html`<li><span><strong>${name}</strong> ${when || 'everything else'}</span><span>${topics.join(' ')}</span><span><meter min="0" max="${Math.max(1, events)}" value="${count}" aria-label="${share}"></meter> ${share}</span></li>`;
  });
  return html`<ol class="routes">${items}</ol>`;
}

function referenceData(references: readonly CampaignReference[] | undefined): Html {
  const rows = references?.map(({ campaignId, attributes, updatedAt, updatedBy }) => {
    const texts = Object.entries(attributes).map(([name, value]) => `${name}=${value}`);
    return html`<tr><td>${campaignId}</td><td>${texts.join(', ')}</td><td>${time(updatedAt)}</td><td>${updatedBy ?? 'unknown'}</td></tr>`;
  });
  const columns = ['campaign', 'attributes', 'changed', 'by'];
  return html`<section><h2>The company's data on campaigns</h2>
${rows === undefined && html`<p>The deployment has none: set CAMPAIGN_REFERENCE=true and run voucherbus setup.</p>`}
${rows?.length === 0 && html`<p>There is none yet: voucherbus reference put FILE.csv</p>`}
${rows && rows.length > 0 && table(columns, rows, 'Campaigns')}
${command('voucherbus reference list')}</section>`;
}

export function triedPage(text: string, tried: Tried, person: Person): Html {
  return html`<p><a href="/routes">The routes in force</a></p>${result(tried)}${tryForm(text, person)}`;
}

function result(tried: Tried): Html {
  if (tried.kind === 'invalid') {
    return html`<section role="alert"><h2>These routes are not valid</h2>${block(tried.problems)}</section>`;
  }
  const { events, unchanged, changes } = tried.comparison;
  const rows = changes.map(
    ({ before, after, count, examples }) =>
      html`<tr><td>${count}</td><td>${before}</td><td>${after}</td><td>${examples.map((id) => html`${eventLink(id)} `)}</td></tr>`,
  );
  return html`<section role="status"><h2>Of the last ${events} events ${unchanged} stay where they are</h2>
${rows.length > 0 && table(['events', 'before', 'after', 'such as'], rows, 'What changes')}</section>`;
}

function tryForm(text: string, { formToken }: Person): Html {
  return html`<section><h2>Try others</h2><p>Nothing comes into force here.</p>
<form method="post" action="/routes/try"><input type="hidden" name="form" value="${formToken}">
<label for="text">A routes file (YAML)</label>
<textarea id="text" name="text" rows="12" spellcheck="false" required>${lines(text)}</textarea>
<button>See what would change</button></form></section>`;
}
