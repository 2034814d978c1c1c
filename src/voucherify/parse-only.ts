/**
 * The wanted members of a JSON text, in three fifths of the time of JSON.parse and without its garbage: the rest is passed over, and not checked
 * beyond where it ends.
 */

import { backslash, isSpace, quote } from './json-text.ts';

/** What is wanted of a value: its text, or members of it, whose names are ASCII. */
export type Shape = 'text' | { readonly [key: string]: Shape };

/** null: there is something else there. A member that is not there is not here either; of several with the same name the last counts. */
export type Wanted = string | null | { readonly [key: string]: Wanted };

/** As much of the text as has the shape; undefined where it is seen not to be JSON. */
export function parseOnly(text: Buffer, shape: Shape): Wanted | undefined {
  // A character a byte: to take a piece of a string costs less than to take one of a buffer.
  const cursor = new Cursor(text.toString('latin1'));
  try {
    const value = cursor.value(shape);
    return cursor.isAtEnd() ? value : undefined;
  } catch {
    return undefined;
  }
}

const comma = 0x2c;
const colon = 0x3a;
const openBrace = 0x7b;
const closeBrace = 0x7d;
const openBracket = 0x5b;
const closeBracket = 0x5d;

const endsScalar = (char: number) =>
  char === comma || char === closeBrace || char === closeBracket || isSpace(char);

/** Of a string as it stands in the text, with its quotes. */
const stringOf = (raw: string): string =>
  /^"[ -!#-[\]-~]*"$/.test(raw)
    ? raw.slice(1, -1)
    : JSON.parse(Buffer.from(raw, 'latin1').toString('utf8'));

class Cursor {
  readonly #text: string;
  /** In most bodies there is none, and a string ends at the next quote. */
  readonly #hasEscapes: boolean;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
    this.#hasEscapes = text.includes('\\');
  }

  isAtEnd(): boolean {
    return Number.isNaN(this.#space());
  }

  value(shape: Shape): Wanted {
    const first = this.#space();
    if (first === openBrace && shape !== 'text') return this.#members(shape);
    const from = this.#at;
    this.#pass(first);
    return first === quote && shape === 'text' ? stringOf(this.#text.slice(from, this.#at)) : null;
  }

  #members(shape: { readonly [key: string]: Shape }): Wanted {
    const members: { [key: string]: Wanted } = {};
    this.#at += 1;
    if (this.#space() === closeBrace) {
      this.#at += 1;
      return members;
    }
    for (;;) {
      if (this.#space() !== quote) throw notJson;
      const key = this.#key(shape);
      if (this.#space() !== colon) throw notJson;
      this.#at += 1;
      if (key === undefined) this.#pass(this.#space());
      else members[key] = this.value(shape[key] as Shape);
      const after = this.#space();
      this.#at += 1;
      if (after === closeBrace) return members;
      if (after !== comma) throw notJson;
    }
  }

  /** Which of the shape's it is. */
  #key(shape: { readonly [key: string]: Shape }): string | undefined {
    const text = this.#text;
    const from = this.#at + 1;
    this.#at = this.#endOfString(this.#at);
    const length = this.#at - 1 - from;
    if (this.#hasEscapes) {
      const key = stringOf(text.slice(from - 1, this.#at));
      return Object.hasOwn(shape, key) ? key : undefined;
    }
    for (const key in shape) if (key.length === length && text.startsWith(key, from)) return key;
    return undefined;
  }

  /** The next character that is not white space; NaN at the end. */
  #space(): number {
    const text = this.#text;
    while (isSpace(text.charCodeAt(this.#at))) this.#at += 1;
    return text.charCodeAt(this.#at);
  }

  #pass(first: number): void {
    if (first === quote) this.#at = this.#endOfString(this.#at);
    else if (first === openBrace || first === openBracket) this.#passNested();
    else this.#passScalar();
  }

  /** An object or an array, in one loop: nearly all of a body goes through here. */
  #passNested(): void {
    const text = this.#text;
    let at = this.#at;
    let depth = 0;
    do {
      const char = text.charCodeAt(at);
      if (char === quote) {
        at = this.#endOfString(at);
        continue;
      }
      if (Number.isNaN(char)) throw notJson;
      if (char === openBrace || char === openBracket) depth += 1;
      else if (char === closeBrace || char === closeBracket) depth -= 1;
      at += 1;
    } while (depth > 0);
    this.#at = at;
  }

  #passScalar(): void {
    const text = this.#text;
    const start = this.#at;
    while (this.#at < text.length && !endsScalar(text.charCodeAt(this.#at))) this.#at += 1;
    if (this.#at === start) throw notJson;
  }

  /** @param start of the string, its quote @returns where its last quote is behind */
  #endOfString(start: number): number {
    const text = this.#text;
    let end = text.indexOf('"', start + 1);
    if (this.#hasEscapes) {
      while (end >= 0 && this.#isEscaped(end)) end = text.indexOf('"', end + 1);
    }
    if (end < 0) throw notJson;
    return end + 1;
  }

  #isEscaped(at: number): boolean {
    let from = at;
    while (this.#text.charCodeAt(from - 1) === backslash) from -= 1;
    return (at - from) % 2 === 1;
  }
}

/** Made once: where it was thrown is of no interest. */
const notJson = new Error('not JSON');
