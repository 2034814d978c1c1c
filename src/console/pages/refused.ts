/** The webhooks that the bridges refused: by source and reason, by minute, and the last ones. */

import type { RefusalReport, RefusedMinute, RefusedRequest } from '../../observability/refusals.ts';
import { type Html, html } from '../html.ts';
import type { Member } from '../members.ts';
import { accepted, samplesOf } from '../now.ts';
import { rate, table, time } from './layout.ts';

/** The reasons for people: causes, and what follows. */
const meanings: Readonly<Record<string, string>> = {
  'wrong-signature': 'signed with another secret: a rotation that is half done, or another sender',
  'no-signature': 'without a signature: not from Voucherify, or a proxy removes the header',
  'sender-not-allowed': 'the sender is not in ALLOWED_SENDERS',
  'too-large': 'the body is larger than BODY_MAX_BYTES',
  'not-stored': 'Kafka did not store it in time; Voucherify repeats it',
  'too-many-in-flight': 'too many webhooks were in flight; Voucherify repeats it',
  'unknown-path': 'no source has this address: compare WEBHOOK_SECRETS and Voucherify',
};

export function refusedPage(members: readonly Member[], report: RefusalReport): Html {
  const { minutes, requests } = report;
  return html`${countsOf(members)}
<section><h2>The last hour</h2>${bars(minutes)}${minutesTable(minutes)}</section>
<section><h2>The last requests</h2>${requestsTable(requests)}</section>`;
}

type Counts = { readonly total: number; readonly recent: number; readonly now: number };

function countsOf(members: readonly Member[]): Html {
  const groups = new Map<string, Counts>();
  for (const one of samplesOf(members, 'webhooks_received_total')) {
    const { source = '', outcome = '' } = one.labels;
    if (accepted.has(outcome)) continue;
    const key = `${source} ${outcome}`;
    const { total, recent, now } = groups.get(key) ?? { total: 0, recent: 0, now: 0 };
    groups.set(key, {
      total: total + one.value,
      recent: recent + one.recent,
      now: now + one.rate,
    });
  }
  const rows = [...groups]
    .filter(([, { total }]) => total > 0)
    .sort(([, a], [, b]) => b.recent - a.recent)
    .map(([key, { total, recent, now }]) => {
      const [source = '', outcome = ''] = key.split(' ');
      return html`<tr><td>${source}</td><td>${outcome}</td><td>${meanings[outcome] ?? ''}</td><td>${rate(now)}</td><td>${recent}</td><td>${total}</td></tr>`;
    });
  if (rows.length === 0) {
    return html`<section class="empty"><h2>None</h2><p>Since the bridges started, they refused no webhook.</p></section>`;
  }
  const names = ['source', 'reason', 'meaning', 'now', 'last five minutes', 'since the start'];
  return table(names, rows, 'Refused webhooks');
}

const minuteMs = 60_000;

/** One bar for each of the last sixty minutes. */
function bars(minutes: readonly RefusedMinute[]): Html {
  const thisMinute = Math.floor(Date.now() / minuteMs);
  const counts = Array.from({ length: 60 }, () => 0);
  for (const { atMs, count } of minutes) {
    const at = 59 - (thisMinute - atMs / minuteMs);
    if (counts[at] !== undefined) counts[at] += count;
  }
  const most = Math.max(1, ...counts);
  const shown = counts.map((count, i) => {
    const height = (count / most) * 55;
    return html`<rect x="${i * 15 + 1}" y="${60 - height}" width="13" height="${height}"/>`;
  });
  const total = counts.reduce((sum, count) => sum + count, 0);
  const text = `${total} refused, at most ${Math.max(...counts)} in a minute`;
  return html`<svg class="bars" viewBox="0 0 900 60" role="img" aria-label="${text}" preserveAspectRatio="none">${shown}</svg><p>${text}</p>`;
}

function minutesTable(minutes: readonly RefusedMinute[]): Html {
  if (minutes.length === 0) return html`<p>Nothing was refused.</p>`;
  const rows = minutes.map(
    ({ atMs, source, status, reason, count }) =>
      html`<tr><td>${time(atMs)}</td><td>${source}</td><td>${status}</td><td>${reason}</td><td>${count}</td></tr>`,
  );
  return table(['minute', 'source', 'status', 'reason', 'requests'], rows, 'By minute');
}

function requestsTable(requests: readonly RefusedRequest[]): Html {
  if (requests.length === 0) return html`<p>There is none.</p>`;
  const rows = requests.map((one) => {
    const { atMs, source, status, reason, sender = '', method = '', path = '' } = one;
    const body = [one.contentType, one.contentLength && `${one.contentLength} bytes`];
    return html`<tr><td>${time(atMs)}</td><td>${source}</td><td>${status} ${reason}</td><td>${sender}</td><td>${method} ${path}</td><td>${body.filter(Boolean).join(', ')}</td><td>${one.hasSignature ? 'yes' : 'no'}</td><td>${one.userAgent ?? ''}</td></tr>`;
  });
  const names = ['when', 'source', 'refused with', 'sender', 'request', 'body', 'signed', 'client'];
  return table(names, rows, 'The newest first, without bodies');
}
