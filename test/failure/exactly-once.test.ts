/** The claim of the product: webhooks in, each publication out exactly once, while a processor is killed. */

import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { sampleWebhook } from '../../src/voucherify/sample.ts';
import { aDeployment, until } from '../support/deployment.ts';
import { post } from '../support/webhooks.ts';

const count = 10_000;
const repeatEvery = 10;
const concurrency = 50;
const kinds = {
  DISCOUNT_COUPONS: 'discount-coupons',
  GIFT_VOUCHERS: 'gift-vouchers',
  LOYALTY_PROGRAM: 'loyalty-program',
  REFERRAL_PROGRAM: 'referral-program',
};
const types = Object.keys(kinds) as (keyof typeof kinds)[];

test('10,000 webhooks with 10 % repeats, two processors, one killed half-way and started again: every publication once, on its topic', async () => {
  await using deployment = await aDeployment(6);
  const bridge = await deployment.start('bridge');
  const [victim] = await Promise.all([
    deployment.start('processor'),
    deployment.start('processor'),
  ]);
  /** Publication n of every tenth webhook was sent before, some long before. */
  const idOf = (i: number) =>
    `pub_${i > 0 && i % repeatEvery === 0 ? Math.floor((i * 7919) % i) : i}`;
  const expected = new Map<string, string>();
  let next = 0;
  const send = async () => {
    for (let i = next++; i < count; i = next++) {
      const publicationId = idOf(i);
      const campaignType = types[
        Number(publicationId.slice(4)) % types.length
      ] as keyof typeof kinds;
      const answer = await post(
        bridge.url,
        JSON.stringify(sampleWebhook({ publicationId, campaignType })),
      );
      expect(answer.status).toBe(202);
      expected.set(publicationId, kinds[campaignType]);
    }
  };
  const kill = async () => {
    while (next < count / 2) await sleep(5);
    victim.child.kill('SIGKILL');
    await victim.child.exited;
    await deployment.start('processor');
  };
  await Promise.all([...Array.from({ length: concurrency }, send), kill()]);

  const raw = await deployment.readAll(deployment.catalog.raw);
  await until(async () => {
    const offsets = await deployment.admin.committedOffsets(
      deployment.prefix,
      deployment.catalog.raw,
    );
    const done = [...offsets.values()].reduce((sum, offset) => sum + offset, 0);
    return done === raw.length;
  }, `all ${raw.length} raw records are processed`);

  const outputs = await deployment.outputs();
  const times = Map.groupBy(outputs, ({ event }) => event.publicationId);
  expect(
    [...times].filter(([, list]) => list.length !== 1).map(([id, list]) => [id, list.length]),
  ).toEqual([]);
  expect([...expected.keys()].filter((id) => !times.has(id))).toEqual([]);
  expect(times.size).toBe(expected.size);
  expect(outputs.filter(({ event, kind }) => expected.get(event.publicationId) !== kind)).toEqual(
    [],
  );
  expect(await deployment.readAll(deployment.catalog.deadLetters)).toEqual([]);
});
