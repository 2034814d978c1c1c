/**
 * The headers of a redriven dead letter, and the digest by which the processor recognises a repeat.
 * A letter is processed once, however often it is redriven, because the processor remembers it like
 * a publication id. Pure.
 */

import { digestOf } from '../digest.ts';

export type Redrive = {
  /** The letter's name, as `letterName` formats it. */
  readonly letter: string;
  /** 1 at the first redrive. */
  readonly attempt: number;
  /** The operator. */
  readonly by: string;
  /**
   * The operator guarantees that the letter is not a repeat, although it is older than the window.
   */
  readonly isStaleAllowed: boolean;
};

const names = {
  letter: 'voucherbus.redrive.letter',
  attempt: 'voucherbus.redrive.attempt',
  by: 'voucherbus.redrive.by',
  at: 'voucherbus.redrive.at',
  allowStale: 'voucherbus.redrive.allow-stale',
} as const;

/** Returns the value of a header as text. */
export type HeaderOf = (name: string) => string | undefined;

/**
 * Formats the name of a letter. It contains the topic's id, because a recreated dead-letter topic
 * counts its letters from 0 again.
 */
export function letterName(place: string, topicId: string): string {
  return `${place}#${topicId}`;
}

/** Returns undefined if the record came from the bridge. */
export function redriveOf(header: HeaderOf): Redrive | undefined {
  const letter = header(names.letter);
  if (letter === undefined) return undefined;
  return {
    letter,
    attempt: Number(header(names.attempt)) || 1,
    by: header(names.by) ?? 'unknown',
    isStaleAllowed: header(names.allowStale) === 'true',
  };
}

export function redriveHeaders(redrive: Redrive, atMs: number): Record<string, string> {
  return {
    [names.letter]: redrive.letter,
    [names.attempt]: String(redrive.attempt),
    [names.by]: redrive.by,
    [names.at]: new Date(atMs).toISOString(),
    ...(redrive.isStaleAllowed ? { [names.allowStale]: 'true' } : {}),
  };
}

/**
 * Returns whether the header describes the failure or an earlier redrive. Such headers are not
 * redriven.
 */
export function isOfLetter(header: string): boolean {
  return /^(__streams\.errors|voucherbus\.(error|redrive))\./.test(header);
}

/**
 * The beginning of the label of every REDRIVEN entry in the journal, so that these are found
 * without decoding the others.
 */
export const redriveLabel = 'redriven by ';

/**
 * Returns the digest by which the processor remembers a redriven letter. No id of Voucherify's
 * begins like this.
 */
export function digestOfRedrive(letter: string): Buffer {
  return digestOf(`redrive ${letter}`);
}
