import { expect, test } from 'vitest';
import { Health } from '../../../src/observability/health.ts';

test('it is ready when every part is, and otherwise says why not', () => {
  const health = new Health(['group', 'partitions']);
  expect(health.status()).toEqual({
    isReady: false,
    parts: { group: 'starting', partitions: 'starting' },
  });
  health.ready('group');
  health.ready('partitions');
  expect(health.status().isReady).toBe(true);
  health.notReady('group', 'the group is rebalancing');
  expect(health.status()).toEqual({
    isReady: false,
    parts: { group: 'the group is rebalancing', partitions: 'ready' },
  });
});
