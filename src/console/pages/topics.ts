/** The topics of the deployment, and the live tail of one. */

import type { Cursor, TailRecord } from '../../inspect/tail.ts';
import type { RecordPosition } from '../../kafka/record-position.ts';
import type { CatalogTopic } from '../../topics/catalog.ts';
import { block, type Html, html } from '../html.ts';
import { copyLink, eventLink, table, time } from './layout.ts';

const purposes: Readonly<Record<CatalogTopic['role'], string>> = {
  raw: 'webhooks as they came',
  publications: 'events for consumers',
  'dead-letters': 'what could not be processed',
  journal: 'every decision',
  reference: "the company's own data of campaigns",
  reconcile: 'the progress of reconcile',
};

export function topicsPage(topics: readonly CatalogTopic[]): Html {
  const rows = topics.map(
    ({ name, role, partitions, schema }) =>
      html`<tr><td><a href="/topics/${encodeURIComponent(name)}">${name}</a></td><td>${purposes[role]}</td><td>${partitions}</td><td>${schema ?? 'as raw'}</td></tr>`,
  );
  return table(['topic', 'what it holds', 'partitions', 'schema'], rows, 'Topics');
}

/** @param next the place after these records */
export function tailPage(
  topic: string,
  filter: string,
  records: readonly TailRecord[],
  next: Cursor,
): Html {
  const path = `/topics/${encodeURIComponent(topic)}`;
  const names = ['when', 'partition@offset', 'key', 'schema id', 'value'];
  const query = filter === '' ? '' : `?filter=${encodeURIComponent(filter)}`;
  return html`<p><a href="/topics">All topics</a></p>
<form method="get" action="${path}" role="search"><label for="filter">Only records that contain</label>
<input id="filter" name="filter" value="${filter}" maxlength="200" autocomplete="off" spellcheck="false"><button>Filter</button></form>
<p><button type="button" id="pause" hidden>Pause</button> <span id="tail-state" role="status"></span></p>
<div data-tail="${path}/events${query}" data-after="${cursorText(next)}">
${table(names, records.toReversed().map(tailRow), `The newest records of ${topic}, newest first`)}</div>`;
}

const schemaOf = ({ schemaId, schemaVersion }: TailRecord) =>
  schemaId === undefined
    ? 'none'
    : `${schemaId}${schemaVersion === undefined ? '' : `, version ${schemaVersion}`}`;

export const recordPath = ({ topic, partition, offset }: RecordPosition) =>
  `/topics/${encodeURIComponent(topic)}/${partition}/${offset}`;

/** Shows one record of a topic. */
export function recordPage(record: TailRecord): Html {
  const { topic, timestampMs, partition, offset, key, headers, text } = record;
  const rows = Object.entries(headers).map(
    ([name, value]) => html`<tr><td>${name}</td><td>${value}</td></tr>`,
  );
  return html`<p><a href="/topics/${encodeURIComponent(topic)}">The newest records of ${topic}</a></p>
<dl>
<div><dt>Partition@offset</dt><dd>${partition}@${offset}</dd></div>
<div><dt>When</dt><dd>${time(timestampMs)}</dd></div>
<div><dt>Key</dt><dd>${eventLink(key)}</dd></div>
<div><dt>Schema id</dt><dd>${schemaOf(record)}</dd></div>
</dl>
<section><h2>Value, without personal data</h2>${block(text)}</section>
<section><h2>Headers</h2>${rows.length === 0 ? html`<p>It has none.</p>` : table(['name', 'value'], rows, 'Headers')}</section>
${copyLink()}`;
}

export function tailRow(record: TailRecord): Html {
  const { timestampMs, partition, offset, key, headers, text } = record;
  const about = JSON.stringify(headers, null, 2);
  const link = key !== '' && eventLink(key);
  return html`<tr><td>${time(timestampMs)}</td><td><a href="${recordPath(record)}">${partition}@${offset}</a></td><td>${link}</td><td>${schemaOf(record)}</td><td><details><summary>value and headers</summary>${block(text)}${block(about)}</details></td></tr>`;
}

/** Returns whether a record passes the filter of the page; an empty one lets all through. */
export function isShown({ key, text }: TailRecord, filter: string): boolean {
  return filter === '' || key.includes(filter) || text.includes(filter);
}

/** Returns a cursor as text, for example 0:12,1:7. */
export function cursorText(cursor: Cursor): string {
  return [...cursor].map(([partition, offset]) => `${partition}:${offset}`).join();
}

export function cursorOf(text: string): Cursor {
  const pairs = [...text.matchAll(/(\d+):(\d+)/g)];
  return new Map(pairs.map(([, partition, offset]) => [Number(partition), Number(offset)]));
}
