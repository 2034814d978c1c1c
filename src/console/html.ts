/**
 * HTML that no value can change: Hono's `html` escapes markup, and here every value also loses what
 * can disguise it (control characters, marks that turn the direction of writing) and its length.
 */

import { html as escaping, raw } from 'hono/html';
import type { HtmlEscapedString } from 'hono/utils/html';

export type Html = HtmlEscapedString | Promise<HtmlEscapedString>;
type Value = string | number | Html | readonly Html[] | false | undefined;

/** Longer values are cut, and say so. */
const maxLength = 300;
const maxBlockLength = 100_000;

/** Control characters, and what changes the direction of writing or has no width. */
const invisible = /[\p{Cc}\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/gu;

const cut = (text: string, limit: number) =>
  text.length > limit ? `${text.slice(0, limit)} … (${text.length} characters)` : text;

/** Returns the text with visible escapes in place of invisible characters. */
const escaped = (text: string) => text.replaceAll(invisible, escapeOf);

const escapeOf = (character: string) =>
  `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;

/** Returns text of several lines, with its line breaks. */
export function lines(text: string): Html {
  return escaping`${cut(text, maxBlockLength).split('\n').map(escaped).join('\n')}`;
}

export function block(text: string): Html {
  return escaping`<pre tabindex="0">${lines(text)}</pre>`;
}

export function html(strings: TemplateStringsArray, ...values: readonly Value[]): Html {
  return escaping(strings, ...values.map(safe));
}

function safe(value: Value): unknown {
  if (value === false || value === undefined) return '';
  if (typeof value === 'number') return String(value);
  // Hono's escaped strings are String objects.
  return typeof value === 'string' ? escaped(cut(value, maxLength)) : value;
}

/** Returns numbers for an attribute, of any length. */
export function numbers(values: readonly number[]): Html {
  return raw(values.map((value) => value.toFixed(1)).join(' '));
}
