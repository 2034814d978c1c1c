/** The history against the evidence: which of the product's claims hold, and who is guilty where one does not. Pure. */

import type { Outcome } from '../avro/records.ts';
import { digestOf } from '../digest.ts';
import type { History } from './history.ts';
import type { Evidence, Place } from './snapshot.ts';

type Claim = {
  readonly claim: string;
  /** Nothing, where it holds. Ids and places, with what is wrong. */
  readonly guilty: readonly string[];
};

export type Verdict = {
  readonly isExact: boolean;
  readonly claims: readonly Claim[];
  readonly counts: Readonly<Record<string, number>>;
};

/** @param areTopicsOurs nobody else sends here, so whatever is not in the history was invented */
export function judge(history: History, evidence: Evidence, areTopicsOurs: boolean): Verdict {
  const facts = index(evidence);
  const claims = [
    acknowledgedIsStored(history, facts),
    onceOnItsTopic(history, facts),
    parkedWithReason(history, evidence, facts),
    ignoredSilently(history, facts),
    nothingInvented(history, evidence, facts, areTopicsOurs),
    journalJoins(evidence),
    journalTellsAll(evidence, facts),
    journalAgreesWithOutputs(evidence, facts),
    offsetsAgree(evidence),
    onlyCommittedIsSeen(evidence),
    noTransactionIsOpen(evidence),
    everyRecordIsReadable(evidence),
  ];
  const webhooks = [...history.values()];
  const acknowledged = webhooks.reduce(
    (sum, sent) => sum + sent.acknowledged.length + sent.spooled,
    0,
  );
  return {
    isExact: claims.every(({ guilty }) => guilty.length === 0),
    claims,
    counts: {
      publications: history.size,
      acknowledged,
      refused: webhooks.reduce((sum, { refused }) => sum + refused, 0),
      raw: evidence.raw.length,
      outputs: evidence.outputs.length,
      deadLetters: evidence.deadLetters.length,
      transactions: evidence.journal.length,
      abortedRecords: evidence.abortedRecords,
    },
  };
}

type Entry = {
  readonly outcome: Outcome;
  readonly label: string;
  readonly digest: string;
};

const key = (partition: number, offset: number) => `${partition}/${offset}`;
const textOf = ({ topic, partition, offset }: Place) => `${topic}/${partition}@${offset}`;
const hex = (id: string) => digestOf(id).toString('hex');

function index({ raw, outputs, deadLetters, journal }: Evidence) {
  const entries = new Map<string, Entry[]>();
  for (const { partition, batch } of journal) {
    for (const { offset, outcome, label, digest } of batch.entries) {
      // Beside the decision, not instead of it.
      if (outcome === 'REDRIVEN') continue;
      const at = key(partition, batch.from + offset);
      const entry = { outcome, label: batch.labels[label] ?? '', digest: digest.toString('hex') };
      entries.set(at, [...(entries.get(at) ?? []), entry]);
    }
  }
  return {
    entries,
    rawByPlace: new Map(raw.map((one) => [key(one.partition, one.offset), one])),
    rawById: Map.groupBy(raw, ({ id }) => id),
    outputsById: Map.groupBy(outputs, ({ id }) => id),
    lettersByOrigin: Map.groupBy(deadLetters, ({ origin }) => key(origin.partition, origin.offset)),
  };
}

type Facts = ReturnType<typeof index>;

function acknowledgedIsStored(history: History, { rawByPlace, rawById }: Facts): Claim {
  const lost = [...history]
    .filter(([id, { spooled }]) => spooled > 0 && !rawById.has(id))
    .map(([id]) => `${id}: acknowledged from the spool, not on raw`);
  const guilty = [...history].flatMap(([id, { acknowledged }]) =>
    acknowledged
      .filter(({ partition, offset }) => rawByPlace.get(key(partition, offset))?.id !== id)
      .map(
        ({ partition, offset }) =>
          `${id}: acknowledged as raw ${key(partition, offset)}, not there`,
      ),
  );
  const claim = 'every acknowledged webhook is on raw, where the bridge said';
  return { claim, guilty: [...guilty, ...lost] };
}

/** What was refused may have been stored all the same: then it too comes once. */
function onceOnItsTopic(history: History, { outputsById, rawById }: Facts): Claim {
  const guilty = [...history].flatMap(([id, { expected }]) => {
    const found = outputsById.get(id) ?? [];
    const wanted = expected.kind === 'forwarded' && rawById.has(id) ? 1 : 0;
    if (found.length !== wanted) {
      return [
        `${id}: ${found.length} times instead of ${wanted}: ${found.map(textOf).join(', ') || 'nowhere'}`,
      ];
    }
    const [output] = found;
    return output && expected.kind === 'forwarded' && output.topic !== expected.topic
      ? [`${id}: ${textOf(output)}, expected on ${expected.topic}`]
      : [];
  });
  return { claim: 'every publication came exactly once, on its topic', guilty };
}

function parkedWithReason(history: History, { deadLetters }: Evidence, facts: Facts): Claim {
  const { rawById, lettersByOrigin } = facts;
  const guilty = deadLetters
    .filter(({ origin }) => Number.isNaN(origin.offset))
    .map((letter) => `${textOf(letter)}: does not say which raw record it was`);
  for (const [id, { expected }] of history) {
    for (const record of rawById.get(id) ?? []) {
      const letters = lettersByOrigin.get(key(record.partition, record.offset)) ?? [];
      const reasons = letters.map(({ reason }) => reason);
      const wanted = expected.kind === 'dead-lettered' ? [expected.reason] : [];
      if (reasons.join() !== wanted.join()) {
        guilty.push(`${id} (${textOf(record)}): parked for [${reasons}], expected [${wanted}]`);
      }
    }
  }
  return { claim: 'what can not be understood is parked once, with its reason', guilty };
}

function ignoredSilently(history: History, { rawById, entries }: Facts): Claim {
  const guilty = [...history].flatMap(([id, { expected }]) =>
    expected.kind !== 'ignored'
      ? []
      : (rawById.get(id) ?? [])
          .filter((at) => entries.get(key(at.partition, at.offset))?.[0]?.outcome !== 'IGNORED')
          .map((at) => `${id} (${textOf(at)}): not journaled as ignored`),
  );
  return { claim: 'other events are ignored, and the journal says so', guilty };
}

function nothingInvented(
  history: History,
  { raw, outputs }: Evidence,
  { rawById }: Facts,
  areTopicsOurs: boolean,
): Claim {
  const strangers = areTopicsOurs ? raw.filter(({ id }) => !history.has(id)) : [];
  const invented = areTopicsOurs ? outputs.filter(({ id }) => !rawById.has(id)) : [];
  return {
    claim: 'nothing was invented',
    guilty: [
      ...strangers.map((one) => `${one.id}: ${textOf(one)}, never sent`),
      ...invented.map((one) => `${one.id}: ${textOf(one)}, no such webhook on raw`),
    ],
  };
}

function journalJoins({ journal }: Evidence): Claim {
  const guilty: string[] = [];
  for (const batches of Map.groupBy(journal, ({ partition }) => partition).values()) {
    for (const [i, { batch, ...place }] of batches.entries()) {
      const before = batches[i - 1]?.batch.to ?? batch.from;
      if (batch.from !== before) {
        guilty.push(
          `${textOf(place)}: starts at raw ${batch.from}, the one before ended at ${before}`,
        );
      }
    }
  }
  return { claim: "the journal's ranges join end to end", guilty };
}

function journalTellsAll({ raw, journal }: Evidence, { entries }: Facts): Claim {
  const firstOf = new Map<number, number>();
  for (const { partition, batch } of journal) {
    firstOf.set(partition, Math.min(batch.from, firstOf.get(partition) ?? batch.from));
  }
  const guilty = raw
    .filter(({ partition, offset }) => offset >= (firstOf.get(partition) ?? 0))
    .map((one) => ({ one, found: entries.get(key(one.partition, one.offset)) ?? [] }))
    .filter(({ found }) => found.length !== 1)
    .map(({ one, found }) => `${one.id}: ${textOf(one)} has ${found.length} entries`);
  return { claim: 'the journal has one entry for every raw record', guilty };
}

function journalAgreesWithOutputs({ outputs, raw }: Evidence, facts: Facts): Claim {
  const { entries, lettersByOrigin, rawById } = facts;
  const guilty: string[] = [];
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
        guilty.push(`${id}: ${said} times to ${topic} by the journal, ${found} there`);
    }
  }
  for (const { id, partition, offset } of raw) {
    const at = key(partition, offset);
    const said = (entries.get(at) ?? []).filter(({ outcome }) => outcome === 'DEAD_LETTERED');
    const found = lettersByOrigin.get(at) ?? [];
    if (said.length !== found.length) {
      guilty.push(
        `${id}: raw ${at} is parked ${said.length} times by the journal, ${found.length} letters`,
      );
    }
  }
  return { claim: 'the journal agrees with outputs and dead letters', guilty };
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

function offsetsAgree({ journal, committed, rawEnds }: Evidence): Claim {
  const guilty: string[] = [];
  for (const [partition, end] of rawEnds) {
    const offset = committed.get(partition) ?? 0;
    const last = journal.findLast((one) => one.partition === partition)?.batch.to ?? offset;
    if (last !== offset)
      guilty.push(`raw/${partition}: the group is at ${offset}, the journal at ${last}`);
    if (offset !== end) guilty.push(`raw/${partition}: processed to ${offset} of ${end}`);
  }
  return { claim: "the group's offsets agree with the journal and with the end of raw", guilty };
}

function onlyCommittedIsSeen({ shownWrongly, hiddenWrongly }: Evidence): Claim {
  return {
    claim: 'a read_committed reader sees what was committed, all of it and nothing else',
    guilty: [
      ...shownWrongly.map((place) => `${textOf(place)}: aborted or open, and shown`),
      ...hiddenWrongly.map((place) => `${textOf(place)}: committed, and not shown`),
    ],
  };
}

function noTransactionIsOpen({ open }: Evidence): Claim {
  return { claim: 'no transaction was left open', guilty: open.map(textOf) };
}

function everyRecordIsReadable({ undecodable }: Evidence): Claim {
  return {
    claim: 'every output and journal record fits its schema',
    guilty: undecodable.map(textOf),
  };
}
