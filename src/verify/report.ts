/** A verdict as a person reads it. Pure. */

import type { Verdict } from './checker.ts';

const mostGuilty = 20;

export function reportOf({ isExact, claims, counts }: Verdict): readonly string[] {
  const { publications, acknowledged, refused, raw, outputs, deadLetters } = counts;
  const { transactions, abortedRecords } = counts;
  return [
    `${acknowledged} webhooks acknowledged, ${refused} refused or not answered, ${publications} publications; ${raw} records on raw`,
    `${outputs} output events, ${deadLetters} dead letters, ${transactions} transactions; ${abortedRecords} records were aborted on the way`,
    '',
    ...claims.flatMap(({ claim, guilty }) => [
      `${guilty.length === 0 ? '✓' : '✗'} ${claim}${guilty.length === 0 ? '' : `: ${guilty.length} times not`}`,
      ...guilty.slice(0, mostGuilty).map((text) => `    ${text}`),
      ...(guilty.length > mostGuilty ? [`    … and ${guilty.length - mostGuilty} more`] : []),
    ]),
    '',
    isExact ? 'EXACTLY ONCE' : 'NOT EXACTLY ONCE',
  ];
}
