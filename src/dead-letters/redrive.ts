/**
 * A dead letter that goes back to raw: what its headers say, and by what the processor knows a repeat of it. Pure. A letter passes once, however
 * often and by how many it is sent again: the processor remembers it like a publication id.
 */

import { digestOf } from '../digest.ts';

export type Redrive = {
  /** The letter, as `letterName` writes it. */
  readonly letter: string;
  /** 1 for the first time. */
  readonly attempt: number;
  /** Who did it, for people. */
  readonly by: string;
  /** Whoever did it answers for it not being a repeat, though it is older than the window. */
  readonly isStaleAllowed: boolean;
};

const names = {
  letter: 'voucherbus.redrive.letter',
  attempt: 'voucherbus.redrive.attempt',
  by: 'voucherbus.redrive.by',
  at: 'voucherbus.redrive.at',
  allowStale: 'voucherbus.redrive.allow-stale',
} as const;

/** The header of a record's that has the name, as text. */
export type HeaderOf = (name: string) => string | undefined;

/** The topic's id belongs to it: a dead-letter topic that was deleted and made again counts its letters from 0 again. */
export function letterName(place: string, topicId: string): string {
  return `${place}#${topicId}`;
}

/** Undefined where the record came from the bridge. */
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

/** What the letter says of why it died, and of an earlier redrive, does not go back with it. */
export function isOfLetter(header: string): boolean {
  return /^(__streams\.errors|voucherbus\.(error|redrive))\./.test(header);
}

/** Begins the label of every REDRIVEN entry of the journal, so that these are found without decoding the others. */
export const redriveLabel = 'redriven by ';

/** By what the processor remembers that the letter has passed. No id of Voucherify's begins so. */
export function digestOfRedrive(letter: string): Buffer {
  return digestOf(`redrive ${letter}`);
}
