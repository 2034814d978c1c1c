/** The whole business: what becomes of each record of a batch. Pure; the clock, the routes and the state come as values. */

import type { Batch, Entry, Outcome } from '../codec/records.ts';
import type { DeadLetter } from '../dead-letters/letter.ts';
import { digestOfRedrive, type Redrive, redriveLabel } from '../dead-letters/redrive.ts';
import { enrich, type PersonalField, type ReferenceOf } from '../enrichment/enrich.ts';
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

export type Plan = {
  /** One for each record, in order. */
  readonly decisions: readonly Decision[];
  /** What the journal will say, and what the state becomes once it is committed. */
  readonly batch: Batch;
};

type Memory = Pick<PartitionState, 'position' | 'streamTimeMs' | 'hasSeen' | 'isOlderThanWindow'>;

export function decide(
  records: readonly Decoded[],
  memory: Memory,
  rules: Rules,
  nowMs: number,
  /** Stands in for every event to forward: its topic would refuse it. */
  tooLarge?: DeadLetter,
): Plan {
  /** Forwarded by this very batch: of two copies in one batch the second is the duplicate. */
  const draft = new Set<string>();
  let streamTimeMs = memory.streamTimeMs;
  const decisions = records.map((record): Decision => {
    const { content } = record;
    // A bridge whose clock runs ahead must not make the processor forget.
    streamTimeMs = Math.max(streamTimeMs, Math.min(record.receivedAtMs, nowMs));
    if (record.redrive && !isFirst(record.redrive, draft, memory)) return { kind: 'duplicate' };
    if (content.kind === 'broken') return { kind: 'dead-letter', letter: content.letter };
    if (content.kind === 'other-event') return { kind: 'ignore', eventType: content.eventType };
    if (draft.has(content.id) || memory.hasSeen(record.digest)) return { kind: 'duplicate' };
    if (
      rules.olderThanWindow === 'park' &&
      !record.redrive?.isVouched &&
      memory.isOlderThanWindow(content.createdAtMs, streamTimeMs)
    ) {
      return { kind: 'dead-letter', letter: tooOld };
    }
    const decision = tooLarge
      ? ({ kind: 'dead-letter', letter: tooLarge } as const)
      : forward(content, record, rules, nowMs);
    if (decision.kind === 'forward') draft.add(content.id);
    return decision;
  });
  return { decisions, batch: batchOf(records, decisions, memory, rules, streamTimeMs, nowMs) };
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

function batchOf(
  records: readonly Decoded[],
  decisions: readonly Decision[],
  { position }: Memory,
  { routes }: Rules,
  receivedUntil: number,
  processedAt: number,
): Batch {
  const labels: string[] = [];
  const indexOf = (label: string | undefined): number => {
    if (label === undefined) return -1;
    const index = labels.indexOf(label);
    return index >= 0 ? index : labels.push(label) - 1;
  };
  const entries = records.flatMap(({ digest, offset: rawOffset, redrive }, i): Entry[] => {
    const decision = decisions[i] as Decision;
    const outcome = outcomes[decision.kind];
    const offset = rawOffset - position;
    const entry = { digest, offset, outcome, label: indexOf(labelOf(decision)) };
    if (!redrive) return [entry];
    const label = indexOf(labelOfRedrive(redrive));
    return [entry, { digest: digestOfRedrive(redrive.letter), offset, outcome: 'REDRIVEN', label }];
  });
  const to = (records.at(-1)?.offset ?? position - 1) + 1;
  return {
    from: position,
    to,
    receivedUntil,
    processedAt,
    routesVersion: routes.version,
    labels,
    entries,
  };
}

/** Event types are free text in distributions; the journal keeps what identifies them. */
const longestLabel = 100;

function labelOfRedrive({ by, isVouched, attempt }: Redrive): string {
  const vouched = isVouched ? ', vouched for' : '';
  return `${redriveLabel}${by.slice(0, longestLabel)}, attempt ${attempt}${vouched}`;
}

function labelOf(decision: Decision): string | undefined {
  switch (decision.kind) {
    case 'forward':
      return topicsOf(decision).join(' ');
    case 'dead-letter':
      return decision.letter.reason;
    case 'ignore':
      return decision.eventType.slice(0, longestLabel);
    case 'duplicate':
      return undefined;
  }
}
