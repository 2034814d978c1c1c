/** A stream of webhooks with known publications through a running deployment, and the judgement afterwards: each exactly once, on its topic. */

import { expect } from 'vitest';
import { sampleWebhook } from '../../src/voucherify/sample.ts';
import { type Deployment, until } from './deployment.ts';
import { post } from './webhooks.ts';

const kinds = {
  DISCOUNT_COUPONS: 'discount-coupons',
  GIFT_VOUCHERS: 'gift-vouchers',
  LOYALTY_PROGRAM: 'loyalty-program',
  REFERRAL_PROGRAM: 'referral-program',
};
const types = Object.keys(kinds) as (keyof typeof kinds)[];

/** One in ten is a repeat: of any earlier one, so some are far apart. */
const repeatEvery = 10;

export type Flow = {
  /** How many webhooks were begun so far. */
  readonly begun: () => number;
  /** Settles when all are answered. */
  readonly sent: Promise<void>;
  /** Waits until everything on raw is processed, then compares the outputs with what was acknowledged. */
  readonly check: () => Promise<void>;
};

type FlowOptions = {
  /** At least so many webhooks … */
  readonly count: number;
  /** … and more until this says so. */
  readonly isEnough?: () => boolean;
  /** How many are under way at once. */
  readonly concurrency: number;
};

export function startFlow(
  deployment: Deployment,
  url: string,
  { count, concurrency, isEnough = () => true }: FlowOptions,
): Flow {
  const expected = new Map<string, string>();
  let next = 0;
  const idOf = (i: number) => `pub_${i > 0 && i % repeatEvery === 0 ? (i * 7919) % i : i}`;
  const send = async () => {
    for (let i = next++; i < count || !isEnough(); i = next++) {
      const publicationId = idOf(i);
      const type = types[Number(publicationId.slice(4)) % types.length] ?? 'DISCOUNT_COUPONS';
      const body = JSON.stringify(sampleWebhook({ publicationId, campaignType: type }));
      const { status } = await post(url, body);
      if (status !== 202) throw new Error(`webhook ${i} was answered ${status}: expected 202`);
      expected.set(publicationId, kinds[type]);
    }
  };
  const sent = Promise.all(Array.from({ length: concurrency }, send)).then(() => undefined);
  return {
    begun: () => next,
    sent,
    check: async () => {
      await sent;
      await processed(deployment);
      const outputs = await deployment.outputs();
      const times = Map.groupBy(outputs, ({ event }) => event.publicationId);
      const twice = [...times].filter(([, list]) => list.length !== 1);
      expect(
        twice.map(([id, list]) => [
          id,
          list.map(({ kind, partition, offset }) => `${kind} ${partition}/${offset}`),
        ]),
      ).toEqual([]);
      expect([...expected.keys()].filter((id) => !times.has(id))).toEqual([]);
      expect([...times.keys()].filter((id) => !expected.has(id))).toEqual([]);
      expect(
        outputs.filter(({ event, kind }) => expected.get(event.publicationId) !== kind),
      ).toEqual([]);
      expect(await deployment.readAll(deployment.catalog.deadLetters)).toEqual([]);
      await journalJoins(deployment);
    },
  };
}

async function processed({ admin, catalog, prefix, readAll }: Deployment): Promise<void> {
  const raw = await readAll(catalog.raw);
  await until(async () => {
    const offsets = await admin.committedOffsets(prefix, catalog.raw);
    return [...offsets.values()].reduce((sum, offset) => sum + offset, 0) === raw.length;
  }, `all ${raw.length} raw records are processed`);
}

/** The journal's ranges join end to end, and end where the group's offsets are. */
async function journalJoins(deployment: Deployment): Promise<void> {
  const offsets = await deployment.admin.committedOffsets(
    deployment.prefix,
    deployment.catalog.raw,
  );
  const byPartition = Map.groupBy(await deployment.journal(), ({ partition }) => partition);
  for (const [partition, records] of byPartition) {
    const batches = records.map(({ event }) => event);
    expect(batches.map(({ from }) => from)).toEqual([
      0,
      ...batches.slice(0, -1).map(({ to }) => to),
    ]);
    expect(batches.at(-1)?.to).toBe(offsets.get(partition));
  }
}

/** Numbers from 0 to 1 that a printed seed brings back (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The seed of this run: SEED from the environment, else a new one. Printed, so that a failure can be played again. */
export function seedOf(): number {
  const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31));
  process.stderr.write(`· SEED=${seed}\n`);
  return seed;
}
