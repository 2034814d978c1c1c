import { expect, test } from 'vitest';
import type { Member } from '../../../src/console/members.ts';
import { membersPage } from '../../../src/console/pages/members.ts';

const sample = (name: string, value: number, labels = {}) => {
  return { name, value, labels, rate: 0, recent: 0 };
};

test('a partition that is being taken is shown with the part of its journal that was read', async () => {
  const member: Member = {
    ...{ address: '192.0.2.1:9464', service: 'processor', isReady: false, parts: {} },
    ...{ problem: undefined, atMs: 0 },
    samples: [
      sample('dedup_restore_ratio', 0.456, { partition: '7' }),
      sample('last_rebalance_timestamp_seconds', Date.UTC(2026, 10, 28) / 1_000),
    ],
  };
  const page = String(await membersPage([member]));
  expect(page).toContain('<td>7</td><td>192.0.2.1:9464</td>');
  expect(page).toContain('45 %');
  expect(page).toContain('2026-11-28T00:00:00.000Z');
});
