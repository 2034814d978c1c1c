import type { JournalRecord } from '../../src/avro/records.ts';
import { type Decision, decide } from '../../src/processor/decide.ts';

/**
 * Returns all decisions on the records, and the journal record that `decide` returns after the last
 * one.
 */
export function decided(...args: Parameters<typeof decide>) {
  const decisions: Decision[] = [];
  const generator = decide(...args);
  for (;;) {
    const step: IteratorResult<Decision, JournalRecord> = generator.next();
    if (step.done) return { decisions, journalRecord: step.value };
    decisions.push(step.value);
  }
}
