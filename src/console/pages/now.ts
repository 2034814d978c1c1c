/** The first page: whether all is well, and the flow as a picture. */

import { type Html, html, numbers } from '../html.ts';
import type { Member } from '../members.ts';
import { type Flow, flowOf, problemsOf, type Watch } from '../now.ts';
import { rate, time } from './layout.ts';

/** Each part has an id: a live update replaces those that have changed. */
export function nowPage(members: readonly Member[], watch: Watch): Html {
  return html`<div id="live" data-live="/now/events">${nowParts(members, watch)}</div>`;
}

export function nowParts(members: readonly Member[], watch: Watch): Html {
  const problems = problemsOf(members);
  const items = problems.map((one) => {
    const since = watch.sinceOf(one);
    return html`<li><a href="${one.page}">${one.text}</a>${since === undefined ? '' : html`, since ${time(since)}`}</li>`;
  });
  const isWell = problems.length === 0;
  const status = isWell
    ? html`<p class="verdict">All is well</p>`
    : html`<p class="verdict">${problems.length === 1 ? 'Something is wrong' : `${problems.length} things are wrong`}</p><ul>${items}</ul>`;
  const flow = flowOf(members);
  return html`<section id="status" class="${isWell ? 'good' : 'bad'}" role="status">${status}</section>
<section id="flow" aria-label="The flow of events">${picture(flow)}${facts(flow)}</section>
<section id="history"><h2>Webhooks a second, the last three minutes</h2>${sparkline(watch.received)}</section>`;
}

function picture(flow: Flow): Html {
  const { bridges, readyBridges, processors, readyProcessors } = flow;
  const boxes: readonly (readonly [name: string, ...lines: string[]])[] = [
    ['Bridge', `${readyBridges} of ${bridges} ready`, `${rate(flow.received)} received`],
    ['raw', `${flow.lagRecords} waiting`, `oldest ${flow.lagSeconds.toFixed(1)} s`],
    ['Processor', `${readyProcessors} of ${processors} ready`, `${rate(flow.forwarded)} forwarded`],
    ['Topics', `${rate(flow.forwarded)} events`, `${rate(flow.deadLettered)} dead letters`],
  ];
  const items = boxes.map(
    ([name, ...lines]) =>
      html`<li><strong>${name}</strong>${lines.map((line) => html`<span>${line}</span>`)}</li>`,
  );
  return html`<ol class="flow">${items}</ol>`;
}

function facts(flow: Flow): Html {
  const { spooled, spoolAgeSeconds, openTransactionSeconds, webhook, refused } = flow;
  const topics = [...flow.topics].filter(([, perSecond]) => perSecond > 0);
  return html`<dl>
<div><dt>Refused</dt><dd>${rate(refused)}</dd></div>
<div><dt>Spool</dt><dd>${spooled === 0 ? 'empty' : `${spooled} webhooks, the oldest ${Math.round(spoolAgeSeconds)} s`}</dd></div>
<div><dt>Open transactions</dt><dd>${openTransactionSeconds === 0 ? 'none that hides records' : `the oldest ${Math.round(openTransactionSeconds)} s`}</dd></div>
<div><dt>Voucherify's webhook</dt><dd>${webhook ?? 'not watched (VOUCHERIFY_MANAGEMENT_ID)'}</dd></div>
${topics.map(([topic, perSecond]) => html`<div><dt>${topic}</dt><dd>${rate(perSecond)}</dd></div>`)}
</dl>`;
}

function sparkline(values: readonly number[]): Html {
  const top = Math.max(1, ...values);
  const points = values.flatMap((value, i) => [i * 5, 60 - (value / top) * 55]);
  const last = values.at(-1) ?? 0;
  const text = `Now ${rate(last)}, at most ${rate(top)}`;
  return html`<svg class="spark" viewBox="0 0 900 62" role="img" aria-label="${text}" preserveAspectRatio="none"><polyline points="${numbers(points)}"/></svg><p>${text}</p>`;
}
