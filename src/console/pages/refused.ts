/** The webhooks that the bridges refused, by source and reason. */

import { type Html, html } from '../html.ts';
import type { Member } from '../members.ts';
import { accepted, samplesOf } from '../now.ts';
import { rate, table } from './layout.ts';

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

export function refusedPage(members: readonly Member[]): Html {
  const groups = new Map<string, { total: number; recent: number; now: number }>();
  for (const { labels, value, recent, rate: now } of samplesOf(
    members,
    'webhooks_received_total',
  )) {
    const { source = '', outcome = '' } = labels;
    if (accepted.has(outcome)) continue;
    const key = `${source} ${outcome}`;
    const sums = groups.get(key) ?? { total: 0, recent: 0, now: 0 };
    groups.set(key, {
      total: sums.total + value,
      recent: sums.recent + recent,
      now: sums.now + now,
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
