import { expect, test } from 'vitest';
import { digestOf } from '../../../src/digest.ts';
import { PartitionState } from '../../../src/journal/state.ts';
import { decide, type Rules } from '../../../src/processor/decide.ts';
import type { DecodedRecord } from '../../../src/processor/decode.ts';
import { builtinRoutes } from '../../../src/routing/routes.ts';
import type { Variation } from '../../../src/voucherify/sample.ts';
import { aPublication, byWebhook } from '../../support/builders.ts';
import { decided } from '../../support/decided.ts';

const day = 86_400_000;
const now = Date.parse('2026-11-24T12:00:00Z');
const publications = {
  'discount-coupons': 'discounts',
  'gift-vouchers': 'gifts',
  'loyalty-program': 'loyalty',
  'referral-program': 'referrals',
  'no-campaign': 'none',
  other: 'other',
};
const rules: Rules = {
  routes: builtinRoutes({ publications }),
  olderThanWindow: 'park',
  personalData: [],
};

const arrived = (offset: number, variation: Variation = {}, receivedAtMs = now): DecodedRecord => {
  const content = aPublication({
    publicationId: 'pub_1',
    createdAt: new Date(receivedAtMs).toISOString(),
    ...variation,
  });
  return {
    offset,
    timestampMs: receivedAtMs,
    receivedAtMs,
    digest: digestOf(content.id),
    source: 'voucherify',
    ...byWebhook,
    redrive: undefined,
    content,
  };
};

const other = (offset: number, content: DecodedRecord['content']): DecodedRecord => ({
  offset,
  timestampMs: now,
  receivedAtMs: now,
  digest: digestOf('k'),
  source: '',
  ...byWebhook,
  redrive: undefined,
  content,
});
const state = (hasForgotten = false) =>
  new PartitionState(0, 15 * day, hasForgotten ? 0 : undefined);

test('a publication goes to the topic of its campaign type', () => {
  const types = [
    'DISCOUNT_COUPONS',
    'GIFT_VOUCHERS',
    'LOYALTY_PROGRAM',
    'REFERRAL_PROGRAM',
    null,
    'LUCKY_DRAW',
    'PROMOTION',
  ];
  const records = types.map((campaignType, i) =>
    arrived(i, { campaignType, publicationId: `pub_${i}` }),
  );
  const { decisions, journalRecord } = decided(records, state(), rules, now);
  const topics = decisions.map((decision) =>
    decision.kind === 'forward' ? decision.outputs[0]?.topic : decision.kind,
  );
  expect(topics).toEqual(['discounts', 'gifts', 'loyalty', 'referrals', 'none', 'other', 'other']);
  expect(journalRecord.entries.map(({ label }) => journalRecord.labels[label])).toEqual(topics);
});

test('of two copies in one batch the second is the duplicate', () => {
  const decisions = [...decide([arrived(0), arrived(1)], state(), rules, now)];
  expect(decisions.map(({ kind }) => kind)).toEqual(['forward', 'duplicate']);
});

test('a publication forwarded by an earlier batch is a duplicate', () => {
  const memory = state();
  memory.apply(decided([arrived(0)], memory, rules, now).journalRecord);
  const { decisions, journalRecord } = decided([arrived(1)], memory, rules, now);
  expect(decisions).toEqual([{ kind: 'duplicate' }]);
  expect(journalRecord).toMatchObject({
    from: 1,
    to: 2,
    entries: [{ offset: 0, outcome: 'DUPLICATE', label: -1 }],
  });
});

test('a dead letter does not count as seen: corrected and sent again, it is forwarded', () => {
  const memory = state();
  const letter = {
    stage: 'read',
    reason: 'invalid-json',
    path: '$',
    message: 'the body is not JSON',
  } as const;
  const broken = { ...other(0, { kind: 'broken', letter }), digest: digestOf('pub_1') };
  const first = decided([broken], memory, rules, now);
  expect(first.decisions).toEqual([{ kind: 'dead-letter', letter }]);
  expect(first.journalRecord.labels).toEqual(['invalid-json']);
  memory.apply(first.journalRecord);
  expect(decided([arrived(1)], memory, rules, now).decisions[0]).toMatchObject({ kind: 'forward' });
});

test('another event is ignored, and its type is in the journal, cut if it is long', () => {
  const { decisions, journalRecord } = decided(
    [other(0, { kind: 'other-event', eventType: 'x'.repeat(500) })],
    state(),
    rules,
    now,
  );
  expect(decisions[0]?.kind).toBe('ignore');
  expect(journalRecord.labels).toEqual(['x'.repeat(100)]);
});

test("on a young system the vendor's sample of 2024 passes", () => {
  const decisions = [
    ...decide([arrived(0, { createdAt: '2024-02-01T12:54:33.174Z' })], state(), rules, now),
  ];
  expect(decisions[0]?.kind).toBe('forward');
});

test('once an id was forgotten, an event older than the window becomes a dead letter', () => {
  const old = arrived(0, { createdAt: new Date(now - 15 * day - 1_000).toISOString() });
  const young = arrived(1, {
    publicationId: 'pub_2',
    createdAt: new Date(now - 15 * day).toISOString(),
  });
  const decisions = [...decide([old, young], state(true), rules, now)];
  expect(decisions).toMatchObject([
    { kind: 'dead-letter', letter: { reason: 'older-than-window' } },
    { kind: 'forward' },
  ]);
});

test('a known repeat is a duplicate, however old it is', () => {
  const memory = state(true);
  const createdAt = new Date(now - 20 * day).toISOString();
  memory.apply(
    decided([arrived(0, { createdAt })], memory, { ...rules, olderThanWindow: 'forward' }, now)
      .journalRecord,
  );
  expect(decided([arrived(1, { createdAt })], memory, rules, now).decisions[0]?.kind).toBe(
    'duplicate',
  );
});

test('OLDER_THAN_WINDOW=forward forwards it', () => {
  const old = arrived(0, { createdAt: '2024-02-01T12:54:33.174Z' });
  expect(
    decided([old], state(true), { ...rules, olderThanWindow: 'forward' }, now).decisions[0]?.kind,
  ).toBe('forward');
});

test('age is measured in stream time: an early timestamp does not make a late webhook younger', () => {
  // Received 14 days after its creation, but appended to raw only when the partition had come to
  // day 16: a bridge's spool.
  const created = now - 16 * day;
  const ahead = arrived(0, { publicationId: 'pub_2' }, now);
  const late = arrived(1, { createdAt: new Date(created).toISOString() }, created + 14 * day);
  expect(decided([ahead, late], state(true), rules, now).decisions).toMatchObject([
    { kind: 'forward' },
    { letter: { reason: 'older-than-window' } },
  ]);
});

test("an arrival ahead of the processor's clock counts as its now", () => {
  const { journalRecord } = decided([arrived(0, {}, now + 365 * day)], state(), rules, now);
  expect(journalRecord.receivedUntil).toBe(now);
});

test('raw offsets with holes are covered by the range', () => {
  const memory = new PartitionState(3, 15 * day, undefined);
  const { journalRecord } = decided(
    [arrived(5), arrived(9, { publicationId: 'pub_2' })],
    memory,
    rules,
    now,
  );
  expect(journalRecord).toMatchObject({ from: 3, to: 10, entries: [{ offset: 2 }, { offset: 6 }] });
});

test('requested personal data that is invalid is null, and named', () => {
  const record = { ...arrived(0), content: aPublicationWithBirthdate('yesterday') };
  const decisions = [...decide([record], state(), { ...rules, personalData: ['birthdate'] }, now)];
  expect(decisions[0]).toMatchObject({
    kind: 'forward',
    outputs: [
      {
        event: {
          customer: { personal: { birthdate: null } },
          unreadable: ['$.data.publication.customer.birthdate'],
        },
      },
    ],
  });
});

function aPublicationWithBirthdate(birthdate: string) {
  return aPublication({}, (data) => ({
    publication: { ...data['publication'], customer: { id: 'cust_1', birthdate } },
  }));
}

const redriven = (letter: string, isStaleAllowed = false) => ({
  isStaleAllowed,
  redrive: { letter, attempt: 1, by: 'ann', isStaleAllowed },
});

test('a dead letter that was redriven twice is processed once, and the journal names the operator', () => {
  const broken = other(0, {
    kind: 'broken',
    letter: { stage: 'read', reason: 'invalid-json', path: '$', message: '' },
  });
  const twice = [
    { ...broken, ...redriven('dlq/0@7') },
    { ...broken, offset: 1, ...redriven('dlq/0@7') },
    { ...broken, offset: 2, ...redriven('dlq/0@8') },
  ];
  const memory = state();
  const { decisions, journalRecord } = decided(twice, memory, rules, now);
  expect(decisions.map(({ kind }) => kind)).toEqual(['dead-letter', 'duplicate', 'dead-letter']);
  const told = journalRecord.entries.map(({ offset, outcome, label }) => {
    return [offset, outcome, journalRecord.labels[label]];
  });
  expect(told.slice(0, 2)).toEqual([
    [0, 'DEAD_LETTERED', 'invalid-json'],
    [0, 'REDRIVEN', 'redriven by ann, attempt 1'],
  ]);
  memory.apply(journalRecord);
  const again = decided([{ ...broken, offset: 3, ...redriven('dlq/0@7') }], memory, rules, now);
  expect(again.decisions.map(({ kind }) => kind)).toEqual(['duplicate']);
  // A repeat from the bridge becomes a dead letter each time.
  const anew = decided([{ ...broken, offset: 3 }], memory, rules, now);
  expect(anew.decisions.map(({ kind }) => kind)).toEqual(['dead-letter']);
});

test('a corrected letter is forwarded, unless its publication was delivered meanwhile', () => {
  const memory = state();
  const corrected = { ...arrived(0), ...redriven('dlq/0@7') };
  const { decisions, journalRecord } = decided([corrected], memory, rules, now);
  expect(decisions.map(({ kind }) => kind)).toEqual(['forward']);
  memory.apply(journalRecord);
  const late = decided([{ ...arrived(1), ...redriven('dlq/0@9') }], memory, rules, now);
  expect(late.decisions.map(({ kind }) => kind)).toEqual(['duplicate']);
});

test('a letter older than the window is forwarded once if an operator allows stale events', () => {
  const old = { createdAt: new Date(now - 16 * day).toISOString() };
  const memory = state(true);
  const refused = decided([{ ...arrived(0, old), ...redriven('a') }], memory, rules, now);
  expect(refused.decisions).toMatchObject([{ letter: { reason: 'older-than-window' } }]);
  const allowed = decided([{ ...arrived(0, old), ...redriven('b', true) }], memory, rules, now);
  expect(allowed.decisions.map(({ kind }) => kind)).toEqual(['forward']);
  expect(allowed.journalRecord.labels).toContain('redriven by ann, attempt 1, stale allowed');
  memory.apply(allowed.journalRecord);
  const again = decided([{ ...arrived(1, old), ...redriven('c', true) }], memory, rules, now);
  expect(again.decisions.map(({ kind }) => kind)).toEqual(['duplicate']);
});
