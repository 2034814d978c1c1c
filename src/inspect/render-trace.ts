/** Renders a trace as text for people. Pure. */

import { formatPosition } from '../kafka/record-position.ts';
import type { Arrival, Decision, Receipt, Trace } from './trace.ts';

const timeOf = (ms: number) => new Date(ms).toISOString();

export function renderTrace(trace: Trace): readonly string[] {
  const { key, arrivals, events, journalFromMs, lag } = trace;
  if (arrivals.length === 0) return neverReceived(trace);
  const coverage =
    journalFromMs === undefined
      ? []
      : [`the journal covers the time since ${timeOf(journalFromMs)}`];
  const backlog = arrivals.some(({ decision }) => decision === undefined)
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
    ...backlog,
    ...coverage,
  ];
}

function neverReceived({ key, journalFromMs, lag }: Trace): readonly string[] {
  const since = journalFromMs === undefined ? '' : ` since ${timeOf(journalFromMs)}`;
  return [
    `never received: no webhook has the key ${key}${since}`,
    `searched: the journal, and ${lag} records of raw that no processor has read yet`,
  ];
}

function linesOf({ position, receipt, decision }: Arrival): readonly string[] {
  const what = receipt
    ? `${receipt.eventType ?? 'no event type'}, source ${receipt.source}, ${learned(receipt)}${redrivenBy(receipt)}${receipt.traceId ? `, trace ${receipt.traceId}` : ''}`
    : 'its record is no longer on raw, or cannot be read';
  const when = receipt ? timeOf(receipt.receivedAtMs) : ' '.repeat(24);
  return [
    `${when}  received       ${formatPosition(position)}  ${what}`,
    ...(decision
      ? [decided(decision), ...visible(decision)]
      : [`${' '.repeat(24)}  waiting        for a processor`]),
  ];
}

function learned({ origin, reconcileRun, secretName, eventId }: Receipt): string {
  return origin === 'BACKFILL'
    ? `backfilled by reconcile run ${reconcileRun ?? '(unknown)'}`
    : `secret ${secretName}, event ${eventId ?? 'without id'}`;
}

function redrivenBy({ redrive }: Receipt): string {
  return redrive ? `, redriven by ${redrive.by} (attempt ${redrive.attempt})` : '';
}

function visible({ visibleAtMs }: Decision): readonly string[] {
  return visibleAtMs === undefined ? [] : [`${timeOf(visibleAtMs)}  visible        to consumers`];
}

function decided(decision: Decision): string {
  const { outcome, atMs, label, duplicateOf, positions, routesVersion } = decision;
  const at = positions.map(formatPosition).join(', ');
  const head = timeOf(atMs);
  switch (outcome) {
    case 'FORWARDED':
      return `${head}  forwarded      ${at || `${label} (deleted since)`}  by routes ${routesVersion}`;
    case 'DUPLICATE':
      return `${head}  duplicate      ${duplicateOf === undefined ? 'of an arrival that the journal no longer holds' : `of raw offset ${duplicateOf}`}`;
    case 'DEAD_LETTERED':
      return `${head}  dead-lettered  ${label}  ${at || 'its dead letter was deleted since'}`;
    case 'IGNORED':
      return `${head}  ignored        ${label} is not processed`;
    case 'UNKNOWN':
    case 'REDRIVEN':
      return `${head}  decided        with an outcome that this version does not know`;
  }
}
