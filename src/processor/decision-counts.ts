/** Counts the decisions and output records of one transaction. The metrics show the counts. */

import type { Decision } from './decide.ts';

type Counts = Map<string, number>;

export class DecisionCounts {
  /** By outcome, then by reason; the reason is '' if an outcome needs none. */
  readonly events = new Map<Decision['kind'], Counts>();
  /** Output records by topic. */
  readonly topics: Counts = new Map();

  add(decision: Decision): void {
    const reasons = this.events.get(decision.kind) ?? new Map<string, number>();
    this.events.set(decision.kind, reasons);
    addOne(reasons, reasonOf(decision));
    if (decision.kind === 'forward') {
      for (const { topic } of decision.outputs) addOne(this.topics, topic);
    }
  }
}

function addOne(counts: Counts, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}

/**
 * Returns one of a closed list of reasons. Event types are left out, because strangers choose them.
 */
function reasonOf(decision: Decision): string {
  return decision.kind === 'dead-letter' ? decision.letter.reason : '';
}
