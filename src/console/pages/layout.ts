/** The frame of every page, and what pages have in common. */

import type { Person } from '../access.ts';
import { type Html, html } from '../html.ts';

export type Frame = {
  readonly title: string;
  /** The path of the page in the menu. */
  readonly path: string;
  readonly person: Person | undefined;
  /** Whether the person can sign out. */
  readonly hasSession: boolean;
};

const menu = [
  ['/', 'Now'],
  ['/find', 'Find'],
  ['/refused', 'Refused'],
  ['/dead-letters', 'Dead letters'],
  ['/topics', 'Topics'],
  ['/routes', 'Routes'],
  ['/members', 'Members'],
  ['/gaps', 'Gaps'],
  ['/proof', 'Proof'],
] as const;

export function layout({ title, path, person, hasSession }: Frame, body: Html): Html {
  const link = ([to, name]: (typeof menu)[number]) =>
    to === path
      ? html`<li><a href="${to}" aria-current="page">${name}</a></li>`
      : html`<li><a href="${to}">${name}</a></li>`;
  const leave = html`<form method="post" action="/sign-out"><input type="hidden" name="form" value="${person?.formToken ?? ''}"><button>Sign out</button></form>`;
  const who = person && html`<p class="who">${person.name} (${person.role})</p>`;
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title} · voucherbus</title>
<link rel="stylesheet" href="/assets/console.css">
<link rel="icon" href="/assets/icon.svg">
<script type="module" src="/assets/console.js"></script>
</head>
<body>
<a class="skip" href="#main">Skip to the content</a>
<header>
<p class="brand">voucherbus</p>
<nav aria-label="Pages"><ul>${person ? menu.map(link) : []}</ul></nav>
${who}${hasSession && leave}
</header>
<main id="main" tabindex="-1">
<h1>${title}</h1>
${body}
</main>
</body>
</html>`;
}

/** Shows a time in the viewer's zone (assets/console.js), with UTC on hover. */
export function time(ms: number): Html {
  if (!Number.isFinite(ms)) return html`unknown`;
  const iso = new Date(ms).toISOString();
  return html`<time datetime="${iso}" title="${iso}">${iso}</time>`;
}

/** A number per second, with as many digits as people read. */
export function rate(value: number): string {
  return `${value >= 10 || value === 0 ? Math.round(value) : value.toFixed(1)}/s`;
}

export function table(names: readonly string[], rows: readonly Html[], caption: string): Html {
  return html`<div class="scroll" role="region" aria-label="${caption}" tabindex="0"><table>
<caption>${caption}</caption>
<thead><tr>${names.map((name) => html`<th scope="col">${name}</th>`)}</tr></thead>
<tbody>${rows}</tbody>
</table></div>`;
}

/** @param key the raw key: for most events the publication id */
export const eventPath = (key: string) => `/events/${encodeURIComponent(key)}`;

/** A link to the story of an event; `none` without a key. */
export function eventLink(key: string | undefined): Html {
  return key ? html`<a href="${eventPath(key)}">${key}</a>` : html`none`;
}

/** A button that copies the page's address: the page's whole state is in it. */
export function copyLink(): Html {
  return html`<p><button type="button" data-copy hidden>Copy the link to this page</button></p>`;
}

/** A command that shows the same, to copy. */
export function command(text: string): Html {
  return html`<p class="command">The same on the command line: <code>${text}</code></p>`;
}
