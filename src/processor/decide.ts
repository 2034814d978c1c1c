/** The whole business: what becomes of each record of a batch. Pure; the clock, the routes and the state come as values. */

import type { Batch, Entry, Outcome, PublicationSucceeded } from '../codec/records.ts';
import type { DeadLetter } from '../dead-letters/letter.ts';
import { enrich, type PersonalField } from '../enrichment/enrich.ts';
import type { PartitionState } from '../journal/state.ts';
import type { Routes } from '../routing/routes.ts';
import type { Publication } from '../voucherify/publication.ts';
import type { Decoded } from './decode.ts';

export type Decision =
  | { readonly kind: 'forward'; readonly topic: string; readonly event: PublicationSucceeded }
  | { readonly kind: 'duplicate' }
  | { readonly kind: 'dead-letter'; readonly letter: DeadLetter }
  | { readonly kind: 'ignore'; readonly eventType: string };

export type Rules = {
  readonly routes: Routes;
  readonly olderThanWindow: 'park' | 'forward';
  readonly personalData: readonly PersonalField[];
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
    if (content.kind === 'broken') return { kind: 'dead-letter', letter: content.letter };
    if (content.kind === 'other-event') return { kind: 'ignore', eventType: content.eventType };
    if (draft.has(content.id) || memory.hasSeen(record.digest)) return { kind: 'duplicate' };
    if (
      rules.olderThanWindow === 'park' &&
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

const tooOld: DeadLetter = {
  stage: 'decide',
  reason: 'older-than-window',
  path: '$.data.publication.created_at',
  message:
    'the publication is older than DEDUP_WINDOW: expected a younger one, for an earlier arrival may have been forgotten',
};

function forward(
  publication: Publication,
  { source, receivedAtMs }: Decoded,
  { routes, personalData }: Rules,
  nowMs: number,
): Decision {
  const event = enrich(publication, { source, receivedAtMs, processedAtMs: nowMs }, personalData);
  if ('kind' in event) {
    const { reason, path, message } = event;
    return { kind: 'dead-letter', letter: { stage: 'decide', reason, path, message } };
  }
  return { kind: 'forward', topic: routes.topicOf(event), event };
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
  const entries = records.map(({ digest, offset }, i): Entry => {
    const decision = decisions[i] as Decision;
    const outcome = outcomes[decision.kind];
    return { digest, offset: offset - position, outcome, label: indexOf(labelOf(decision)) };
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

function labelOf(decision: Decision): string | undefined {
  switch (decision.kind) {
    case 'forward':
      return decision.topic;
    case 'dead-letter':
      return decision.letter.reason;
    case 'ignore':
      return decision.eventType.slice(0, longestLabel);
    case 'duplicate':
      return undefined;
  }
}
