/** A verdict as a person reads it. Pure. */

import type { Verdict } from './checker.ts';

const mostGuilty = 20;

export function reportOf({ isExact, invariants, counts }: Verdict): readonly string[] {
  const { publications, acknowledged, refused, raw, outputs, deadLetters } = counts;
  const { transactions, abortedRecords } = counts;
  return [
    `${acknowledged} webhooks acknowledged, ${refused} refused or not answered, ${publications} publications; ${raw} records on raw`,
    `${outputs} output events, ${deadLetters} dead letters, ${transactions} transactions; ${abortedRecords} records were aborted on the way`,
    '',
    ...invariants.flatMap(({ invariant, violations }) => [
      `${violations.length === 0 ? '✓' : '✗'} ${invariant}${violations.length === 0 ? '' : `: ${violations.length} times not`}`,
      ...violations.slice(0, mostGuilty).map((text) => `    ${text}`),
      ...(violations.length > mostGuilty
        ? [`    … and ${violations.length - mostGuilty} more`]
        : []),
    ]),
    '',
    isExact ? 'EXACTLY ONCE' : 'NOT EXACTLY ONCE',
  ];
}
