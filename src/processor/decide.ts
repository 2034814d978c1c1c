/**
 * Decides what happens to each record of a batch: the whole business. Pure; the clock, the routes
 * and the state are values.
 */

import type { JournalEntry, JournalRecord, Outcome } from '../avro/records.ts';
import type { DeadLetter } from '../dead-letters/letter.ts';
import { digestOfRedrive, type Redrive, redriveLabel } from '../dead-letters/redrive.ts';
import { enrich, type PersonalField, type ReferenceOf } from '../enrichment/enrich.ts';
import { noIdentity } from '../journal/deployment-identity.ts';
import type { PartitionState } from '../journal/state.ts';
import type { Routes } from '../routing/routes.ts';
import type { Publication } from '../voucherify/publication.ts';
import type { DecodedRecord } from './decode.ts';
import { type Output, outputsOf } from './outputs.ts';

export type Decision =
  | { readonly kind: 'forward'; readonly outputs: readonly Output[] }
  | { readonly kind: 'duplicate' }
  | { readonly kind: 'dead-letter'; readonly letter: DeadLetter }
  | { readonly kind: 'ignore'; readonly eventType: string };

export type Rules = {
  readonly routes: Routes;
  readonly olderThanWindow: 'park' | 'forward';
  readonly personalData: readonly PersonalField[];
  readonly referenceOf?: ReferenceOf;
  /** Replaces every event to forward, if its topic would refuse it. */
  readonly tooLarge?: DeadLetter;
};

type State = Pick<PartitionState, 'position' | 'streamTimeMs' | 'hasSeen' | 'isOlderThanWindow'>;

/**
 * Yields the decision on each record, in order. The records are read one at a time, so that each
 * may be garbage before the next one is decoded.
 * @returns the journal record of the batch, without the deployment's identity. Applying it after
 * the commit gives the next state
 */
export function* decide(
  records: Iterable<DecodedRecord>,
  state: State,
  rules: Rules,
  nowMs: number,
): Generator<Decision, JournalRecord> {
  // Ids forwarded by this very batch: of two copies in one batch the second is the duplicate.
  const forwarded = new Set<string>();
  const journal = new JournalEntries(state.position);
  let { streamTimeMs } = state;
  let lastTimestamp = -1;
  for (const record of records) {
    // A bridge whose clock runs ahead must not make the processor forget.
    streamTimeMs = Math.max(streamTimeMs, Math.min(record.receivedAtMs, nowMs));
    lastTimestamp = record.timestampMs;
    const decision = decideOne(record, state, forwarded, streamTimeMs, rules, nowMs);
    journal.add(record, decision);
    yield decision;
  }
  return {
    from: state.position,
    to: journal.to,
    receivedUntil: streamTimeMs,
    processedAt: nowMs,
    lastTimestamp,
    identity: noIdentity,
    deployment: null,
    routesVersion: rules.routes.version,
    labels: journal.labels,
    entries: journal.entries,
  };
}

function decideOne(
  record: DecodedRecord,
  state: State,
  forwarded: Set<string>,
  streamTimeMs: number,
  rules: Rules,
  nowMs: number,
): Decision {
  const { content, redrive } = record;
  if (redrive && !isFirstRedrive(redrive, forwarded, state)) return { kind: 'duplicate' };
  if (content.kind === 'broken') return { kind: 'dead-letter', letter: content.letter };
  if (content.kind === 'other-event') return { kind: 'ignore', eventType: content.eventType };
  if (forwarded.has(content.id) || state.hasSeen(record.digest)) return { kind: 'duplicate' };
  if (
    rules.olderThanWindow === 'park' &&
    !record.isStaleAllowed &&
    state.isOlderThanWindow(content.createdAtMs, streamTimeMs)
  ) {
    return { kind: 'dead-letter', letter: tooOld };
  }
  const decision: Decision = rules.tooLarge
    ? { kind: 'dead-letter', letter: rules.tooLarge }
    : forward(content, record, rules, nowMs);
  if (decision.kind === 'forward') forwarded.add(content.id);
  return decision;
}

/**
 * Returns whether this is the first redrive of the letter: a letter that was redriven twice passes
 * once, whatever the decision.
 */
function isFirstRedrive({ letter }: Redrive, forwarded: Set<string>, state: State): boolean {
  const name = `redrive ${letter}`;
  if (forwarded.has(name) || state.hasSeen(digestOfRedrive(letter))) return false;
  forwarded.add(name);
  return true;
}

const tooOld: DeadLetter = {
  stage: 'decide',
  reason: 'older-than-window',
  path: '$.data.publication.created_at',
  message:
    'the publication is older than DEDUP_WINDOW, so an earlier arrival may have been forgotten: expected a younger one',
};

const noRoute: DeadLetter = {
  stage: 'decide',
  reason: 'no-route',
  path: '$',
  message: 'no route matches the event, and the default of the routes is park',
};

function forward(
  publication: Publication,
  { source, receivedAtMs, origin, asOfMs }: DecodedRecord,
  { routes, personalData, referenceOf }: Rules,
  nowMs: number,
): Decision {
  const arrival = { source, receivedAtMs, processedAtMs: nowMs, origin, asOfMs };
  const enriched = enrich(publication, arrival, personalData, referenceOf);
  if (enriched.kind === 'rejection') {
    const { reason, path, message } = enriched;
    return { kind: 'dead-letter', letter: { stage: 'decide', reason, path, message } };
  }
  const outputs = outputsOf(enriched.event, routes, personalData);
  if (outputs.length === 0) return { kind: 'dead-letter', letter: noRoute };
  return { kind: 'forward', outputs };
}

const outcomes: Readonly<Record<Decision['kind'], Outcome>> = {
  forward: 'FORWARDED',
  duplicate: 'DUPLICATE',
  'dead-letter': 'DEAD_LETTERED',
  ignore: 'IGNORED',
};

/** The journal's entries on a batch, and the labels that they point to. */
class JournalEntries {
  readonly labels: string[] = [];
  readonly entries: JournalEntry[] = [];
  readonly #from: number;
  /** The offset after the last record. */
  to: number;

  constructor(from: number) {
    this.#from = from;
    this.to = from;
  }

  add({ digest, offset: rawOffset, redrive }: DecodedRecord, decision: Decision): void {
    const offset = rawOffset - this.#from;
    const outcome = outcomes[decision.kind];
    this.entries.push({ digest, offset, outcome, label: this.#indexOf(labelOf(decision)) });
    if (redrive) {
      const label = this.#indexOf(labelOfRedrive(redrive));
      const redriven = digestOfRedrive(redrive.letter);
      this.entries.push({ digest: redriven, offset, outcome: 'REDRIVEN', label });
    }
    this.to = rawOffset + 1;
  }

  #indexOf(label: string | undefined): number {
    if (label === undefined) return -1;
    const index = this.labels.indexOf(label);
    return index >= 0 ? index : this.labels.push(label) - 1;
  }
}

/**
 * Event types are free text in distributions; the journal keeps enough of them to identify them.
 */
const longestLabel = 100;

function labelOfRedrive({ by, isStaleAllowed, attempt }: Redrive): string {
  const stale = isStaleAllowed ? ', stale allowed' : '';
  return `${redriveLabel}${by.slice(0, longestLabel).toWellFormed()}, attempt ${attempt}${stale}`;
}

function labelOf(decision: Decision): string | undefined {
  switch (decision.kind) {
    case 'forward':
      // Several outputs may go to one topic.
      return [...new Set(decision.outputs.map(({ topic }) => topic))].join(' ');
    case 'dead-letter':
      return decision.letter.reason;
    case 'ignore':
      return decision.eventType.slice(0, longestLabel).toWellFormed();
    case 'duplicate':
      return undefined;
  }
}
