/**
 * Checks the history of the load against the snapshot of the logs: which invariants hold, and the
 * violations of the others. Pure.
 */

import type { Outcome } from '../avro/records.ts';
import { digestOf } from '../digest.ts';
import { formatPosition } from '../kafka/record-position.ts';
import type { History } from './history.ts';
import type { Snapshot } from './snapshot.ts';

type Invariant = {
  readonly invariant: string;
  /** Empty if the invariant holds. Otherwise ids and positions, with what is wrong. */
  readonly violations: readonly string[];
};

export type Verdict = {
  readonly isExact: boolean;
  readonly invariants: readonly Invariant[];
  readonly counts: Readonly<Record<string, number>>;
};

/**
 * @param areTopicsOurs whether only this run writes to the topics, so that an unknown record was
 * invented
 */
export function check(history: History, snapshot: Snapshot, areTopicsOurs: boolean): Verdict {
  const facts = index(snapshot);
  const invariants = [
    acknowledgedIsStored(history, facts),
    onceOnItsTopic(history, facts),
    parkedWithReason(history, snapshot, facts),
    ignoredSilently(history, facts),
    nothingInvented(history, snapshot, facts, areTopicsOurs),
    journalJoins(snapshot),
    journalTellsAll(snapshot, facts),
    journalAgreesWithOutputs(snapshot, facts),
    offsetsAgree(snapshot),
    onlyCommittedIsSeen(snapshot),
    noTransactionIsOpen(snapshot),
    everyRecordIsReadable(snapshot),
  ];
  const webhooks = [...history.values()];
  const acknowledged = webhooks.reduce(
    (sum, sent) => sum + sent.acknowledged.length + sent.spooled,
    0,
  );
  return {
    isExact: invariants.every(({ violations }) => violations.length === 0),
    invariants,
    counts: {
      publications: history.size,
      acknowledged,
      withheld: webhooks.filter(({ isWithheld = false }) => isWithheld).length,
      refused: webhooks.reduce((sum, { refused }) => sum + refused, 0),
      raw: snapshot.raw.length,
      outputs: snapshot.outputs.length,
      deadLetters: snapshot.deadLetters.length,
      transactions: snapshot.journal.length,
      abortedRecords: snapshot.abortedRecords,
    },
  };
}

type IndexedEntry = {
  readonly outcome: Outcome;
  readonly label: string;
  readonly digest: string;
};

const key = (partition: number, offset: number) => `${partition}/${offset}`;
const hex = (id: string) => digestOf(id).toString('hex');

function index({ raw, outputs, deadLetters, journal }: Snapshot) {
  const entries = new Map<string, IndexedEntry[]>();
  for (const { partition, record } of journal) {
    for (const { offset, outcome, label, digest } of record.entries) {
      // This entry is in addition to the decision.
      if (outcome === 'REDRIVEN') continue;
      const at = key(partition, record.from + offset);
      const entry = { outcome, label: record.labels[label] ?? '', digest: digest.toString('hex') };
      entries.set(at, [...(entries.get(at) ?? []), entry]);
    }
  }
  return {
    entries,
    rawByPosition: new Map(raw.map((one) => [key(one.partition, one.offset), one])),
    rawById: Map.groupBy(raw, ({ id }) => id),
    outputsById: Map.groupBy(outputs, ({ id }) => id),
    lettersByOrigin: Map.groupBy(deadLetters, ({ origin }) => key(origin.partition, origin.offset)),
  };
}

type IndexedSnapshot = ReturnType<typeof index>;

function acknowledgedIsStored(
  history: History,
  { rawByPosition, rawById }: IndexedSnapshot,
): Invariant {
  const lost = [...history]
    .filter(([id, { spooled }]) => spooled > 0 && !rawById.has(id))
    .map(([id]) => `${id}: acknowledged from the spool, not on raw`);
  const violations = [...history].flatMap(([id, { acknowledged }]) =>
    acknowledged
      .filter(({ partition, offset }) => rawByPosition.get(key(partition, offset))?.id !== id)
      .map(
        ({ partition, offset }) =>
          `${id}: acknowledged as raw ${key(partition, offset)}, not there`,
      ),
  );
  const invariant = 'every acknowledged webhook is on raw, where the bridge said';
  return { invariant, violations: [...violations, ...lost] };
}

/** A refused webhook may have been stored nevertheless: then it must be forwarded once, too. */
function onceOnItsTopic(history: History, { outputsById, rawById }: IndexedSnapshot): Invariant {
  const violations = [...history].flatMap(([id, { expected, isWithheld }]) => {
    const found = outputsById.get(id) ?? [];
    const wanted = expected.kind === 'forwarded' && (isWithheld || rawById.has(id)) ? 1 : 0;
    if (found.length !== wanted) {
      return [
        `${id}: ${found.length} times instead of ${wanted}: ${found.map(formatPosition).join(', ') || 'nowhere'}`,
      ];
    }
    const [output] = found;
    return output && expected.kind === 'forwarded' && output.topic !== expected.topic
      ? [`${id}: ${formatPosition(output)}, expected on ${expected.topic}`]
      : [];
  });
  return { invariant: 'every publication came exactly once, on its topic', violations };
}

function parkedWithReason(
  history: History,
  { deadLetters }: Snapshot,
  facts: IndexedSnapshot,
): Invariant {
  const { rawById, lettersByOrigin } = facts;
  const violations = deadLetters
    .filter(({ origin }) => Number.isNaN(origin.offset))
    .map((letter) => `${formatPosition(letter)}: does not say which raw record it was`);
  for (const [id, { expected }] of history) {
    for (const record of rawById.get(id) ?? []) {
      const letters = lettersByOrigin.get(key(record.partition, record.offset)) ?? [];
      const reasons = letters.map(({ reason }) => reason);
      const wanted = expected.kind === 'dead-lettered' ? [expected.reason] : [];
      if (reasons.join() !== wanted.join()) {
        violations.push(
          `${id} (${formatPosition(record)}): parked for [${reasons}], expected [${wanted}]`,
        );
      }
    }
  }
  return { invariant: 'what cannot be understood is parked once, with its reason', violations };
}

function ignoredSilently(history: History, { rawById, entries }: IndexedSnapshot): Invariant {
  const violations = [...history].flatMap(([id, { expected }]) =>
    expected.kind !== 'ignored'
      ? []
      : (rawById.get(id) ?? [])
          .filter((at) => entries.get(key(at.partition, at.offset))?.[0]?.outcome !== 'IGNORED')
          .map((at) => `${id} (${formatPosition(at)}): not journaled as ignored`),
  );
  return { invariant: 'other events are ignored, and the journal says so', violations };
}

function nothingInvented(
  history: History,
  { raw, outputs }: Snapshot,
  { rawById }: IndexedSnapshot,
  areTopicsOurs: boolean,
): Invariant {
  const strangers = areTopicsOurs ? raw.filter(({ id }) => !history.has(id)) : [];
  const invented = areTopicsOurs ? outputs.filter(({ id }) => !rawById.has(id)) : [];
  return {
    invariant: 'nothing was invented',
    violations: [
      ...strangers.map((one) => `${one.id}: ${formatPosition(one)}, never sent`),
      ...invented.map((one) => `${one.id}: ${formatPosition(one)}, no such webhook on raw`),
    ],
  };
}

function journalJoins({ journal }: Snapshot): Invariant {
  const violations: string[] = [];
  for (const records of Map.groupBy(journal, ({ partition }) => partition).values()) {
    for (const [i, { record, ...position }] of records.entries()) {
      const before = records[i - 1]?.record.to ?? record.from;
      if (record.from !== before) {
        violations.push(
          `${formatPosition(position)}: starts at raw ${record.from}, the one before ended at ${before}`,
        );
      }
    }
  }
  return { invariant: "the journal's ranges join end to end", violations };
}

function journalTellsAll({ raw, journal }: Snapshot, { entries }: IndexedSnapshot): Invariant {
  const firstOf = new Map<number, number>();
  for (const { partition, record } of journal) {
    firstOf.set(partition, Math.min(record.from, firstOf.get(partition) ?? record.from));
  }
  const violations = raw
    .filter(({ partition, offset }) => offset >= (firstOf.get(partition) ?? 0))
    .map((one) => ({ one, found: entries.get(key(one.partition, one.offset)) ?? [] }))
    .filter(({ found }) => found.length !== 1)
    .map(({ one, found }) => `${one.id}: ${formatPosition(one)} has ${found.length} entries`);
  return { invariant: 'the journal has one entry for every raw record', violations };
}

function journalAgreesWithOutputs({ outputs, raw }: Snapshot, facts: IndexedSnapshot): Invariant {
  const { entries, lettersByOrigin, rawById } = facts;
  const violations: string[] = [];
  const promised = new Counts();
  for (const list of entries.values()) {
    for (const { outcome, label, digest } of list) {
      if (outcome === 'FORWARDED') promised.add(`${label} ${digest}`);
    }
  }
  const kept = new Counts();
  for (const { topic, id } of outputs) kept.add(`${topic} ${hex(id)}`);
  const topics = new Set(outputs.map(({ topic }) => topic));
  for (const id of rawById.keys()) {
    const digest = hex(id);
    for (const topic of topics) {
      const [said, found] = [promised.of(`${topic} ${digest}`), kept.of(`${topic} ${digest}`)];
      if (said !== found)
        violations.push(`${id}: ${said} times to ${topic} by the journal, ${found} there`);
    }
  }
  for (const { id, partition, offset } of raw) {
    const at = key(partition, offset);
    const said = (entries.get(at) ?? []).filter(({ outcome }) => outcome === 'DEAD_LETTERED');
    const found = lettersByOrigin.get(at) ?? [];
    if (said.length !== found.length) {
      violations.push(
        `${id}: raw ${at} is parked ${said.length} times by the journal, ${found.length} letters`,
      );
    }
  }
  return { invariant: 'the journal agrees with outputs and dead letters', violations };
}

class Counts {
  readonly #counts = new Map<string, number>();
  add(name: string): void {
    this.#counts.set(name, this.of(name) + 1);
  }
  of(name: string): number {
    return this.#counts.get(name) ?? 0;
  }
}

function offsetsAgree({ journal, committed, rawEnds }: Snapshot): Invariant {
  const violations: string[] = [];
  for (const [partition, end] of rawEnds) {
    const offset = committed.get(partition) ?? 0;
    const last = journal.findLast((one) => one.partition === partition)?.record.to ?? offset;
    if (last !== offset)
      violations.push(`raw/${partition}: the group is at ${offset}, the journal at ${last}`);
    if (offset !== end) violations.push(`raw/${partition}: processed to ${offset} of ${end}`);
  }
  return {
    invariant: "the group's offsets agree with the journal and with the end of raw",
    violations,
  };
}

function onlyCommittedIsSeen({ shownWrongly, hiddenWrongly }: Snapshot): Invariant {
  return {
    invariant: 'a read_committed reader sees what was committed, all of it and nothing else',
    violations: [
      ...shownWrongly.map((position) => `${formatPosition(position)}: aborted or open, and shown`),
      ...hiddenWrongly.map((position) => `${formatPosition(position)}: committed, and not shown`),
    ],
  };
}

function noTransactionIsOpen({ open }: Snapshot): Invariant {
  return { invariant: 'no transaction was left open', violations: open.map(formatPosition) };
}

function everyRecordIsReadable({ undecodable }: Snapshot): Invariant {
  return {
    invariant: 'every output and journal record fits its schema',
    violations: undecodable.map(formatPosition),
  };
}
