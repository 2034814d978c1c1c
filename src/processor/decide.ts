/** The whole business: what becomes of each record of a batch. Pure; the clock, the routes and the state come as values. */

import type { JournalEntry, JournalRecord, Outcome } from '../avro/records.ts';
import type { DeadLetter } from '../dead-letters/letter.ts';
import { digestOfRedrive, type Redrive, redriveLabel } from '../dead-letters/redrive.ts';
import { enrich, type PersonalField, type ReferenceOf } from '../enrichment/enrich.ts';
import { noIdentity } from '../journal/deployment-identity.ts';
import type { PartitionState } from '../journal/state.ts';
import type { Routes } from '../routing/routes.ts';
import type { Publication } from '../voucherify/publication.ts';
import type { Decoded } from './decode.ts';
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
};

type Memory = Pick<PartitionState, 'position' | 'streamTimeMs' | 'hasSeen' | 'isOlderThanWindow'>;

/**
 * @param records looked at one after the other, none of them twice: each may be gone before the next is made
 * @param take is given each record's decision, in order
 * @param tooLarge stands in for every event to forward: its topic would refuse it
 * @returns what the journal will say (but for the deployment's identity), and what the state becomes once it is committed
 */
export function decide(
  records: Iterable<Decoded>,
  memory: Memory,
  rules: Rules,
  nowMs: number,
  take: (decision: Decision) => void,
  tooLarge?: DeadLetter,
): JournalRecord {
  /** Forwarded by this very batch: of two copies in one batch the second is the duplicate. */
  const draft = new Set<string>();
  const journal = new Entries(memory.position);
  let streamTimeMs = memory.streamTimeMs;
  let lastTimestamp = -1;
  const decisionOn = (record: Decoded): Decision => {
    const { content } = record;
    if (record.redrive && !isFirst(record.redrive, draft, memory)) return { kind: 'duplicate' };
    if (content.kind === 'broken') return { kind: 'dead-letter', letter: content.letter };
    if (content.kind === 'other-event') return { kind: 'ignore', eventType: content.eventType };
    if (draft.has(content.id) || memory.hasSeen(record.digest)) return { kind: 'duplicate' };
    if (
      rules.olderThanWindow === 'park' &&
      !record.redrive?.isStaleAllowed &&
      memory.isOlderThanWindow(content.createdAtMs, streamTimeMs)
    ) {
      return { kind: 'dead-letter', letter: tooOld };
    }
    const decision = tooLarge
      ? ({ kind: 'dead-letter', letter: tooLarge } as const)
      : forward(content, record, rules, nowMs);
    if (decision.kind === 'forward') draft.add(content.id);
    return decision;
  };
  for (const record of records) {
    // A bridge whose clock runs ahead must not make the processor forget.
    streamTimeMs = Math.max(streamTimeMs, Math.min(record.receivedAtMs, nowMs));
    lastTimestamp = record.timestampMs;
    const decision = decisionOn(record);
    journal.add(record, decision);
    take(decision);
  }
  return {
    from: memory.position,
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

/** Of a dead letter that was sent back twice only the first passes, whatever becomes of it. */
function isFirst({ letter }: Redrive, draft: Set<string>, memory: Memory): boolean {
  const name = `redrive ${letter}`;
  if (draft.has(name) || memory.hasSeen(digestOfRedrive(letter))) return false;
  draft.add(name);
  return true;
}

const tooOld: DeadLetter = {
  stage: 'decide',
  reason: 'older-than-window',
  path: '$.data.publication.created_at',
  message:
    'the publication is older than DEDUP_WINDOW: expected a younger one, for an earlier arrival may have been forgotten',
};

const noRoute: DeadLetter = {
  stage: 'decide',
  reason: 'no-route',
  path: '$',
  message: 'no route fits the event, and the routes say to park what none fits',
};

/** Each once: several outputs may go to one topic. */
function topicsOf({ outputs }: Decision & { kind: 'forward' }): readonly string[] {
  return [...new Set(outputs.map(({ topic }) => topic))];
}

function forward(
  publication: Publication,
  { source, receivedAtMs }: Decoded,
  { routes, personalData, referenceOf }: Rules,
  nowMs: number,
): Decision {
  const event = enrich(
    publication,
    { source, receivedAtMs, processedAtMs: nowMs },
    personalData,
    referenceOf,
  );
  if ('kind' in event) {
    const { reason, path, message } = event;
    return { kind: 'dead-letter', letter: { stage: 'decide', reason, path, message } };
  }
  const outputs = outputsOf(event, routes);
  if (outputs.length === 0) return { kind: 'dead-letter', letter: noRoute };
  return { kind: 'forward', outputs };
}

const outcomes: Readonly<Record<Decision['kind'], Outcome>> = {
  forward: 'FORWARDED',
  duplicate: 'DUPLICATE',
  'dead-letter': 'DEAD_LETTERED',
  ignore: 'IGNORED',
};

/** What the journal says of a batch, record by record. */
class Entries {
  readonly labels: string[] = [];
  readonly entries: JournalEntry[] = [];
  readonly #from: number;
  /** The offset after the last record. */
  to: number;

  constructor(from: number) {
    this.#from = from;
    this.to = from;
  }

  add({ digest, offset: rawOffset, redrive }: Decoded, decision: Decision): void {
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

/** Event types are free text in distributions; the journal keeps what identifies them. */
const longestLabel = 100;

function labelOfRedrive({ by, isStaleAllowed, attempt }: Redrive): string {
  const allowed = isStaleAllowed ? ', stale allowed' : '';
  return `${redriveLabel}${by.slice(0, longestLabel).toWellFormed()}, attempt ${attempt}${allowed}`;
}

function labelOf(decision: Decision): string | undefined {
  switch (decision.kind) {
    case 'forward':
      return topicsOf(decision).join(' ');
    case 'dead-letter':
      return decision.letter.reason;
    case 'ignore':
      return decision.eventType.slice(0, longestLabel).toWellFormed();
    case 'duplicate':
      return undefined;
  }
}
