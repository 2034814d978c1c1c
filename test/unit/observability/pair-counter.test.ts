import { Counter } from 'prom-client';
import { expect, test } from 'vitest';
import { PairCounter } from '../../../src/observability/pair-counter.ts';

const configuration = {
  name: 'webhooks_total',
  help: 'Webhooks',
  labelNames: ['source', 'outcome'] as const,
  registers: [],
};

test("it shows what prom-client's own counter shows, each time it is asked", async () => {
  const plain = new Counter({ ...configuration, labelNames: [...configuration.labelNames] });
  const pairs = new PairCounter({ ...configuration, labelNames: configuration.labelNames });
  const count = (source: string, outcome: string, by?: number) => {
    plain.inc({ source, outcome }, by);
    pairs.count(source, outcome, by);
  };
  count('shop', 'spooled', 0);
  count('shop', 'stored');
  count('other', 'stored');
  count('shop', 'stored', 2);
  const first = await pairs.get();
  expect(first.values).toEqual(expect.arrayContaining((await plain.get()).values));
  expect(first.values).toHaveLength(3);
  expect(await pairs.get()).toEqual(first);
  count('shop', 'stored');
  count('shop', 'aborted');
  const second = await pairs.get();
  expect(second.values).toEqual(expect.arrayContaining((await plain.get()).values));
  expect(second.values).toHaveLength(4);
});
