/** How many records of a transaction became what, for the metrics. */

import type { Decision } from './decide.ts';

type Counts = ReadonlyMap<string, number>;

export type Tally = {
  /** By outcome, then by reason; '' where an outcome needs none. */
  readonly events: ReadonlyMap<Decision['kind'], Counts>;
  /** Output records by topic. */
  readonly topics: Counts;
};

export function tallyOf(decisions: readonly Decision[]): Tally {
  const events = new Map<Decision['kind'], Map<string, number>>();
  const topics = new Map<string, number>();
  for (const decision of decisions) {
    const reasons = events.get(decision.kind) ?? new Map<string, number>();
    events.set(decision.kind, reasons);
    addOne(reasons, reasonOf(decision));
    if (decision.kind === 'forward') {
      for (const { topic } of decision.outputs) addOne(topics, topic);
    }
  }
  return { events, topics };
}

function addOne(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}

/** A closed list: an event type is not in it, for strangers choose those. */
function reasonOf(decision: Decision): string {
  return decision.kind === 'dead-letter' ? decision.letter.reason : '';
}
