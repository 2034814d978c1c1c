/**
 * The law of the dedup window (design: "No repeat ever passes, whatever the delays"), played with
 * random delays, spools, lags, clocks and restarts.
 */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { JournalRecord } from '../../../src/avro/records.ts';
import { digestOf } from '../../../src/digest.ts';
import { replay } from '../../../src/journal/replay.ts';
import { PartitionState } from '../../../src/journal/state.ts';
import type { Decision, Rules } from '../../../src/processor/decide.ts';
import type { DecodedRecord } from '../../../src/processor/decode.ts';
import { builtinRoutes } from '../../../src/routing/routes.ts';
import { aPublication, byWebhook } from '../../support/builders.ts';
import { decided } from '../../support/decided.ts';

const start = Date.parse('2026-01-01T00:00:00Z');
const windowMs = 800_000;
const publications = {
  'discount-coupons': 't',
  'gift-vouchers': 't',
  'loyalty-program': 't',
  'referral-program': 't',
  'no-campaign': 't',
  other: 't',
};
const rules: Rules = {
  routes: builtinRoutes({ publications }),
  olderThanWindow: 'park',
  personalData: [],
};
const fraction = (max: number) => fc.integer({ min: 0, max: Math.floor(max * windowMs) });

/** One publication, delivered once or several times. */
const delivery = fc.record({
  /**
   * From the creation to the bridge: the vendor re-sends for 14 days, people press "Retry" later
   * than that.
   */
  delay: fc.oneof(fraction(0.1), fraction(3)),
  /** From the bridge to raw, in a spool while Kafka is unreachable. */
  spooled: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, fraction(0.4)),
});
const publication = fc.record({
  created: fraction(6),
  deliveries: fc.array(delivery, { minLength: 1, maxLength: 4 }),
});
const step = fc.record({
  size: fc.integer({ min: 1, max: 4 }),
  lag: fraction(0.35),
  /** The processor's clock against the truth. */
  skew: fc.integer({ min: -windowMs / 16, max: windowMs / 16 }),
  isRestarted: fc.boolean(),
});
const world = fc.record({
  publications: fc.array(publication, { minLength: 1, maxLength: 12 }),
  steps: fc.array(step, { minLength: 60, maxLength: 60 }),
});

type Arrival = {
  readonly record: Omit<DecodedRecord, 'offset'>;
  readonly id: string;
  readonly appendedAt: number;
};

const template = aPublication();

/** The raw partition: in the order of appending. */
function arrivalsOf(
  list: readonly { created: number; deliveries: readonly { delay: number; spooled: number }[] }[],
): readonly Arrival[] {
  return list
    .flatMap(({ created, deliveries }, n) => {
      const id = `pub_${n}`;
      const createdAtMs = start + created;
      const content = { ...template, id, createdAtMs };
      return deliveries.map(({ delay, spooled }) => {
        const receivedAtMs = createdAtMs + delay;
        const record = {
          timestampMs: receivedAtMs,
          receivedAtMs,
          digest: digestOf(id),
          source: '',
          ...byWebhook,
          redrive: undefined,
          content,
        };
        return { record, id, appendedAt: receivedAtMs + spooled };
      });
    })
    .sort((a, b) => a.appendedAt - b.appendedAt);
}

/**
 * Restores the state after a restart from the journal, without what its retention of two windows
 * has deleted.
 */
function restored(journal: readonly JournalRecord[], now: number): PartitionState {
  const first = journal.findIndex(({ processedAt }) => processedAt >= now - 2 * windowMs);
  const kept = first < 0 ? [] : journal.slice(first);
  const committed = journal.at(-1)?.to;
  const fallback = committed ?? 0;
  const { add, finish } = replay({
    name: 'j',
    windowMs,
    committed,
    coveredFromMs: () =>
      kept.length < journal.length ? now - 2 * windowMs + windowMs / 8 : undefined,
    fallback,
  });
  for (const record of kept) add(record);
  return finish().state;
}

type Seen = { readonly id: string; readonly decision: Decision; readonly hadForgotten: boolean };

function play({
  publications: list,
  steps,
}: {
  publications: Parameters<typeof arrivalsOf>[0];
  steps: readonly { size: number; lag: number; skew: number; isRestarted: boolean }[];
}): readonly Seen[] {
  const arrivals = arrivalsOf(list);
  const journal: JournalRecord[] = [];
  const seen: Seen[] = [];
  let state = new PartitionState(0, windowMs, undefined);
  let now = start;
  for (const { size, lag, skew, isRestarted } of steps) {
    const slice = arrivals.slice(state.position, state.position + size);
    const last = slice.at(-1);
    if (last === undefined) break;
    now = Math.max(now, last.appendedAt + lag);
    if (isRestarted) state = restored(journal, now + skew);
    const records = slice.map(({ record }, i) => ({ ...record, offset: state.position + i }));
    const hadForgotten = state.isOlderThanWindow(Number.NEGATIVE_INFINITY, 0);
    const { decisions, journalRecord } = decided(records, state, rules, now + skew);
    seen.push(
      ...slice.map(({ id }, i) => ({ id, decision: decisions[i] as Decision, hadForgotten })),
    );
    journal.push(journalRecord);
    state.apply(journalRecord);
  }
  return seen;
}

test('no publication is forwarded twice', () => {
  fc.assert(
    fc.property(world, (given) => {
      const forwarded = play(given)
        .filter(({ decision }) => decision.kind === 'forward')
        .map(({ id }) => id);
      expect(forwarded).toEqual([...new Set(forwarded)]);
    }),
    { numRuns: 2_000 },
  );
});

test('nothing is parked while nothing has been forgotten, and nothing is dropped that was never forwarded', () => {
  fc.assert(
    fc.property(world, (given) => {
      const forwarded = new Set<string>();
      for (const { id, decision, hadForgotten } of play(given)) {
        if (decision.kind === 'forward') forwarded.add(id);
        if (decision.kind === 'dead-letter') expect(hadForgotten).toBe(true);
        if (decision.kind === 'duplicate') expect(forwarded.has(id)).toBe(true);
      }
    }),
    { numRuns: 500 },
  );
});

test('replaying the journal gives the state that the processor had', () => {
  fc.assert(
    fc.property(world, (given) => {
      const arrivals = arrivalsOf(given.publications);
      const live = new PartitionState(0, windowMs, undefined);
      const journal: JournalRecord[] = [];
      for (const { record } of arrivals) {
        const { journalRecord } = decided(
          [{ ...record, offset: live.position }],
          live,
          rules,
          record.receivedAtMs,
        );
        journal.push(journalRecord);
        live.apply(journalRecord);
      }
      const { add, finish } = replay({
        name: 'j',
        windowMs,
        committed: live.position,
        coveredFromMs: () => undefined,
        fallback: 0,
      });
      for (const record of journal) add(record);
      const { state } = finish();
      expect([state.position, state.streamTimeMs, state.size]).toEqual([
        live.position,
        live.streamTimeMs,
        live.size,
      ]);
      for (const { record } of arrivals)
        expect(state.hasSeen(record.digest)).toBe(live.hasSeen(record.digest));
    }),
    { numRuns: 300 },
  );
});
