/**
 * Sends dead letters back to raw: the original bytes, under the original key, to the partition they came from. Killed half-way, run again or run
 * twice at once, each letter still passes once: the processor remembers it (dead-letters/redrive.ts).
 */

import { isOfLetter, redriveHeaders } from '../dead-letters/redrive.ts';
import { expectStored, type KeyedRecord, type Writer } from '../kafka/writer.ts';
import type { Letter } from './dead-letters.ts';

export type RedriveRules = {
  readonly by: string;
  /** Lets pass what is older than the window. */
  readonly isStaleAllowed: boolean;
  /** Undefined: as often as asked. */
  readonly maxAttempts: number | undefined;
};

export type Triage = 'send' | 'sent-before' | 'needs-allow-stale' | 'too-many-attempts';

export const attemptOf = ({ redrive }: Letter) => (redrive?.attempt ?? 0) + 1;

/** Whether a letter goes back. Pure. */
export function triageOf(letter: Letter, { isStaleAllowed, maxAttempts }: RedriveRules): Triage {
  if (letter.isRedriven) return 'sent-before';
  if (letter.reason === 'older-than-window' && !isStaleAllowed) return 'needs-allow-stale';
  if (maxAttempts !== undefined && attemptOf(letter) > maxAttempts) return 'too-many-attempts';
  return 'send';
}

const perRequest = 200;
const writeTimeoutMs = 10_000;

/** @throws AppError, where Kafka does not take them: those that it took are not sent again by the next run */
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
