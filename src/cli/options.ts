/** Parses a command's options. */

import type { Io } from '../app/io.ts';
import { messageOf } from '../errors.ts';

/**
 * Returns what `parse` returns. If it throws, prints the error with the usage, and returns
 * undefined.
 */
export function parseOrUsage<T>(io: Io, usage: string, parse: () => T): T | undefined {
  try {
    return parse();
  } catch (error) {
    io.err(`${messageOf(error)}\n\nusage: ${usage}`);
    return undefined;
  }
}

/** @throws Error that says what was expected */
export function parseNumber(name: string, text: string, min: number): number {
  const value = Number(text);
  if (value >= min) return value;
  throw new Error(`--${name} is "${text}": expected a number of at least ${min}`);
}

/** @throws Error that says what was expected */
export function parseWhole(text: string): number {
  if (/^\d+$/.test(text)) return Number(text);
  throw new Error(`"${text}": expected a whole number`);
}
