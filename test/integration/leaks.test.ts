/** Leases are taken and given up all day: they must leave nothing behind. */

import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { joinGroup } from '../../src/kafka/group.ts';
import { LogReader } from '../../src/kafka/log-reader.ts';
import { TransactionalProducer } from '../../src/kafka/transactional-producer.ts';
import { createLog } from '../../src/observability/log.ts';
import { aDeployment, type Deployment } from '../support/deployment.ts';

/** Sockets and timers that keep this process busy, by kind. */
const resources = () => {
  const kinds = process.getActiveResourcesInfo();
  const count = (kind: string) => kinds.filter((one) => one === kind).length;
  return { sockets: count('TCPSocketWrap'), timers: count('Timeout') };
};

const log = createLog('silent', 'test');

async function useOnce({ client, catalog, prefix }: Deployment, i: number): Promise<void> {
  const producer = await TransactionalProducer.open(client, `${prefix}-${i}`, 15_000);
  const reader = new LogReader(client);
  await reader.offsetOf(catalog.raw, 0, 'end');
  const handlers = { onAssigned: () => {}, onBatch: async () => {}, onLost: () => {} };
  const options = {
    group: `${prefix}-${i}`,
    topic: catalog.raw,
    sessionTimeoutMs: 6_000,
    maxFetchBytes: 1_000_000,
    fetchWaitMs: 50,
    concurrency: 1,
  };
  const member = await joinGroup(client, options, handlers, log);
  await member.leave();
  await Promise.all([producer.close(), reader.close()]);
}

test('producers, readers and group members leave no socket and no timer behind', async () => {
  await using deployment = await aDeployment(1);
  await useOnce(deployment, 0);
  await sleep(500);
  const before = resources();
  for (let i = 1; i <= 15; i += 1) await useOnce(deployment, i);
  await sleep(500);
  const after = resources();
  expect(after.sockets).toBeLessThanOrEqual(before.sockets);
  expect(after.timers).toBeLessThanOrEqual(before.timers + 1);
});
