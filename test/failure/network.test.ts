/**
 * The network between processor and broker delays, breaks, and delivers late what was given up:
 * requests of the transaction above all.
 */

import { expect, test } from 'vitest';
import { seeded } from '../../src/verify/history.ts';
import { aDeployment, metric, until } from '../support/deployment.ts';
import { seedOf, startFlow } from '../support/flow.ts';
import { apis, type Fault, startProxy } from '../support/proxy.ts';
import { bounded } from '../support/soak.ts';

const faults: readonly Fault[] = [
  { kind: 'delay', ms: 300 },
  { kind: 'cut' },
  { kind: 'drop-response' },
  // By then the processor has begun anew, and its next transactions are over.
  { kind: 'hold', ms: 1_500 },
];
const requests = Object.keys(apis) as (keyof typeof apis)[];

test('each request of a transaction is delayed, cut off, left without a response, and delivered after the next one: no torn transaction, every publication once', async () => {
  const seed = seedOf();
  const random = seeded(seed);
  await using deployment = await aDeployment(3);
  const [host = '', port = ''] = (process.env['KAFKA_BROKERS'] ?? '').split(':');
  await using proxy = await startProxy({ host, port: Number(port) }, { isKafka: true });
  const bridge = await deployment.start('bridge');
  const preload = new URL('../support/redirect.ts', import.meta.url).href;
  const processor = await deployment.start('processor', {
    NODE_OPTIONS: `--import=${preload}`,
    REDIRECT: `${port}:${proxy.port}`,
  });
  let isEnough = false;
  const flow = startFlow(deployment, bridge.url, {
    count: 20_000,
    concurrency: 20,
    perSecond: 1_000,
    isEnough: () => isEnough,
    seed,
  });
  const committed = () =>
    metric(processor.admin, 'voucherbus_transactions_total{outcome="committed"}');
  const orders = requests.flatMap((name) => faults.map((fault) => ({ name, fault })));
  for (let rounds = 0; rounds < bounded(1, 5); rounds += 1) {
    for (const { name, fault } of orders.sort(() => random() - 0.5)) {
      await proxy.inject(apis[name], fault);
      const before = await committed();
      await until(
        async () => (await committed()) > before + 5,
        `progress after ${fault.kind} of ${name}`,
      );
    }
  }
  isEnough = true;
  const { counts } = await flow.check();
  // It was not all for show: something was begun and did not stand.
  expect(counts['abortedRecords']).toBeGreaterThan(0);
});
