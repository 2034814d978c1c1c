/** The dead letters: grouped by reason, the letters of one group, and one letter. */

import type { LetterSummary } from '../../inspect/dead-letters.ts';
import { lettersAtMost } from '../../inspect/letter-index.ts';
import { formatPosition } from '../../kafka/record-position.ts';
import { block, type Html, html } from '../html.ts';
import { command, eventLink, table, time } from './layout.ts';
import { recordPath } from './topics.ts';

export type Group = {
  readonly reason: string;
  readonly stage: string;
  /** Version of the routes in force; empty if it is not known. */
  readonly routesVersion: string;
  readonly count: number;
  readonly redriven: number;
  readonly firstMs: number;
  readonly lastMs: number;
  /** The newest letter: path in the body, expected and found. */
  readonly example: Pick<LetterSummary, 'position' | 'path' | 'message'>;
};

/** Returns the groups, the one with the newest letter first. */
export function groupsOf(letters: readonly LetterSummary[]): readonly Group[] {
  const nameOf = ({ reason, stage, routesVersion }: LetterSummary) =>
    `${reason} ${stage} ${routesVersion}`;
  const newestFirst = letters.toSorted((a, b) => b.failedAtMs - a.failedAtMs);
  return [...Map.groupBy(newestFirst, nameOf).values()].flatMap((group) => {
    const [newest, oldest] = [group[0], group.at(-1)];
    if (newest === undefined || oldest === undefined) return [];
    const { reason, stage, routesVersion, position, path, message } = newest;
    return {
      ...{ reason, stage, routesVersion },
      count: group.length,
      redriven: group.filter(({ isRedriven }) => isRedriven).length,
      firstMs: oldest.failedAtMs,
      lastMs: newest.failedAtMs,
      example: { position, path, message },
    };
  });
}

export function groupsPage(groups: readonly Group[]): Html {
  if (groups.length === 0) {
    return html`<section class="empty"><h2>None</h2><p>Every event could be processed.</p></section>`;
  }
  const rows = groups.map(
    ({ reason, routesVersion, count, redriven, firstMs, lastMs, example }) => {
      const { position, path, message } = example;
      return html`<tr><td><a href="/dead-letters?reason=${encodeURIComponent(reason)}">${reason}</a></td><td>${routesVersion || 'unknown'}</td><td>${count}</td><td>${redriven}</td><td>${time(firstMs)}</td><td>${time(lastMs)}</td><td><a href="/dead-letters/${position.partition}/${position.offset}">${path || '$'}</a>: ${message}</td></tr>`;
    },
  );
  const names = [
    'reason',
    'routes',
    'letters',
    'redriven',
    'first',
    'last',
    'newest: path, expected, found',
  ];
  const isCut = groups.reduce((sum, { count }) => sum + count, 0) >= lettersAtMost;
  return html`${table(names, rows, 'By reason')}
${isCut && html`<p>Only the newest ${lettersAtMost} are counted.</p>`}
<p><a href="/redrives">Redrives</a> that were started here</p>
${command('voucherbus dead-letters list')}`;
}

const shownAtMost = 200;

export function lettersPage(reason: string, letters: readonly LetterSummary[]): Html {
  const newest = letters.toSorted((a, b) => b.failedAtMs - a.failedAtMs).slice(0, shownAtMost);
  const rows = newest.map(({ position, key = '', path, message, failedAtMs, isRedriven }) => {
    const { partition, offset } = position;
    return html`<tr><td>${time(failedAtMs)}</td><td><a href="/dead-letters/${partition}/${offset}">${partition}/${offset}</a></td><td>${key}</td><td>${path}</td><td>${message}</td><td>${isRedriven ? 'yes' : 'no'}</td></tr>`;
  });
  const names = ['when', 'letter', 'publication', 'path', 'expected and found', 'redriven'];
  const rest = letters.length - newest.length;
  return html`<p><a href="/dead-letters">All reasons</a></p>
<p><a href="/redrive?reason=${encodeURIComponent(reason)}">Redrive them</a>: first what it would do</p>
${table(names, rows, `Letters with the reason ${reason}`)}
${rest > 0 && html`<p>${rest} older ones are not shown.</p>`}
${command(`voucherbus dead-letters list --reason ${reason}`)}`;
}

/** @param body the masked body */
export function letterPage(letter: LetterSummary, body: string): Html {
  const {
    position,
    reason,
    stage,
    path,
    message,
    failedAtMs,
    origin,
    key,
    isRedriven,
    routesVersion,
  } = letter;
  const facts: readonly (readonly [string, Html])[] = [
    ['Reason', html`${reason}, at ${stage}`],
    ['Expected and found', html`${message}`],
    ['Path in the body', html`${path || 'none'}`],
    ['When', time(failedAtMs)],
    ['Routes', html`${routesVersion || 'unknown'}`],
    ['Raw record', html`<a href="${recordPath(origin)}">${formatPosition(origin)}</a>`],
    ['Publication', eventLink(key)],
    ['Redriven', html`${isRedriven ? 'yes' : 'no'}`],
  ];
  const at = `${position.partition}@${position.offset}`;
  return html`<p><a href="/dead-letters?reason=${encodeURIComponent(reason)}">Others with this reason</a></p>
<dl>${facts.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
<section><h2>Body, without personal data</h2>${block(body)}</section>
${command(`voucherbus dead-letters show ${at}`)}`;
}
