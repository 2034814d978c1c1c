/** Renders a verdict as text for people. Pure. */

import type { Verdict } from './checker.ts';

const maxViolations = 20;

export function renderVerdict({ isExact, invariants, counts }: Verdict): readonly string[] {
  const { publications, acknowledged, withheld, refused, raw, outputs, deadLetters } = counts;
  const { transactions, abortedRecords } = counts;
  const gap = withheld ? `, ${withheld} withheld` : '';
  return [
    `${acknowledged} webhooks acknowledged, ${refused} refused or without response${gap}, ${publications} publications; ${raw} records on raw`,
    `${outputs} output events, ${deadLetters} dead letters, ${transactions} transactions; ${abortedRecords} records were aborted on the way`,
    '',
    ...invariants.flatMap(({ invariant, violations }) => [
      violations.length === 0
        ? `✓ ${invariant}`
        : `✗ ${invariant}: ${violations.length} violations`,
      ...violations.slice(0, maxViolations).map((text) => `    ${text}`),
      ...(violations.length > maxViolations
        ? [`    … and ${violations.length - maxViolations} more`]
        : []),
    ]),
    '',
    isExact ? 'EXACTLY ONCE' : 'NOT EXACTLY ONCE',
  ];
}
