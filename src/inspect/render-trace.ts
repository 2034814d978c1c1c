/** A story as a person reads it. Pure. */

import { formatPosition } from '../kafka/record-position.ts';
import type { Arrival, Decision, Receipt, Trace } from './trace.ts';

const timeOf = (ms: number) => new Date(ms).toISOString();

export function renderTrace(trace: Trace): readonly string[] {
  const { key, arrivals, events, journalFromMs, lag } = trace;
  if (arrivals.length === 0) return neverReceived(trace);
  const hasForgotten =
    journalFromMs === undefined
      ? []
      : [`the journal tells of what came since ${timeOf(journalFromMs)}`];
  const waits = arrivals.some(({ decision }) => decision === undefined)
    ? [`the processors are ${lag} records behind on this partition`]
    : [];
  return [
    key,
    '',
    ...arrivals.flatMap(linesOf),
    ...events.flatMap(({ event, ...position }) => [
      '',
      `the event at ${formatPosition(position)}:`,
      ...JSON.stringify(event, null, 2).split('\n'),
    ]),
    '',
    ...waits,
    ...hasForgotten,
  ];
}

function neverReceived({ key, journalFromMs, lag }: Trace): readonly string[] {
  const since = journalFromMs === undefined ? '' : ` since ${timeOf(journalFromMs)}`;
  return [
    `never received: nothing came under the key ${key}${since}`,
    `looked at: the journal, and ${lag} records of raw that no processor has come to yet`,
  ];
}

function linesOf({ position, receipt, decision }: Arrival): readonly string[] {
  const what = receipt
    ? `${receipt.eventType ?? 'no event type'}, source ${receipt.source}, secret ${receipt.secretName}, event ${receipt.eventId ?? 'without id'}${sentBack(receipt)}`
    : 'its record is no longer on raw, or can not be read';
  const when = receipt ? timeOf(receipt.receivedAtMs) : ' '.repeat(24);
  return [
    `${when}  received       ${formatPosition(position)}  ${what}`,
    ...(decision ? [decided(decision)] : [`${' '.repeat(24)}  waiting        for a processor`]),
  ];
}

function sentBack({ redrive }: Receipt): string {
  return redrive ? `, sent back by ${redrive.by} (attempt ${redrive.attempt})` : '';
}

function decided({
  outcome,
  atMs,
  label,
  duplicateOf,
  positions,
  routesVersion,
}: Decision): string {
  const at = positions.map(formatPosition).join(', ');
  const head = timeOf(atMs);
  switch (outcome) {
    case 'FORWARDED':
      return `${head}  forwarded      ${at || `${label} (no longer there)`}  by routes ${routesVersion}`;
    case 'DUPLICATE':
      return `${head}  duplicate      ${duplicateOf === undefined ? 'of an arrival that the journal no longer holds' : `of raw offset ${duplicateOf}`}`;
    case 'DEAD_LETTERED':
      return `${head}  dead-lettered  ${label}  ${at || 'its letter is no longer there'}`;
    case 'IGNORED':
      return `${head}  ignored        ${label} is not processed`;
    case 'UNKNOWN':
    case 'REDRIVEN':
      return `${head}  decided        in a way that this version does not know`;
  }
}
