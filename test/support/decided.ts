import { type Decision, decide } from '../../src/processor/decide.ts';

type Arguments = Parameters<typeof decide>;

/** What `decide` says of all the records, together. */
export function decided(
  records: Arguments[0],
  memory: Arguments[1],
  rules: Arguments[2],
  nowMs: number,
) {
  const decisions: Decision[] = [];
  const batch = decide(records, memory, rules, nowMs, (decision) => decisions.push(decision));
  return { decisions, batch };
}
