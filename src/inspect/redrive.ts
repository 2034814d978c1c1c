/**
 * Redrives dead letters: sends the original bytes back to raw, under the original key, to the
 * partition they came from. A redrive that is killed, run again, or run twice in parallel passes
 * each letter once, because the processor remembers it (dead-letters/redrive.ts).
 */

import { isOfLetter, redriveHeaders } from '../dead-letters/redrive.ts';
import { expectStored, type KeyedRecord, type Writer } from '../kafka/writer.ts';
import type { Letter, LetterSummary } from './dead-letters.ts';

export type RedriveRules = {
  readonly by: string;
  /** Lets letters pass that are older than the window. */
  readonly isStaleAllowed: boolean;
  /** Undefined: no limit. */
  readonly maxAttempts: number | undefined;
};

export type Triage = 'send' | 'sent-before' | 'needs-allow-stale' | 'too-many-attempts';

export const attemptOf = ({ redrive }: Pick<LetterSummary, 'redrive'>) =>
  (redrive?.attempt ?? 0) + 1;

/** Decides whether a letter goes back. Pure. */
export function triageOf(
  letter: LetterSummary,
  { isStaleAllowed, maxAttempts }: RedriveRules,
): Triage {
  if (letter.isRedriven) return 'sent-before';
  if (letter.reason === 'older-than-window' && !isStaleAllowed) return 'needs-allow-stale';
  if (maxAttempts !== undefined && attemptOf(letter) > maxAttempts) return 'too-many-attempts';
  return 'send';
}

const perRequest = 200;
const writeTimeoutMs = 10_000;

/**
 * @throws AppError if Kafka does not store them; those that it stored are not sent again by the
 * next run
 */
export async function redrive(
  letters: readonly Letter[],
  writer: Writer,
  rules: RedriveRules,
  onProgress: (sent: number) => void,
): Promise<void> {
  for (let from = 0; from < letters.length; from += perRequest) {
    const some = letters.slice(from, from + perRequest);
    const records = some.map((letter) => recordOf(letter, rules));
    expectStored(await writer.write(records, writeTimeoutMs));
    onProgress(from + some.length);
  }
}

function recordOf(letter: Letter, { by, isStaleAllowed }: RedriveRules): KeyedRecord {
  const { record, origin, name: letterName } = letter;
  const own = record.headers.filter(([name]) => !isOfLetter(name));
  const headers: Record<string, (Buffer | string)[]> = {};
  for (const [name, value] of own) {
    if (value) headers[name] = [...(headers[name] ?? []), value];
  }
  const mark = { letter: letterName, attempt: attemptOf(letter), by, isStaleAllowed };
  return {
    partition: origin.partition,
    key: record.key ?? '',
    value: record.value,
    headers: { ...headers, ...redriveHeaders(mark, Date.now()) },
  };
}
