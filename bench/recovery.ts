/**
 * `make recovery`: how long a partition is silent when a processor dies, is restarted, or joins,
 * and when a broker dies. Default settings.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { seeded } from '../src/verify/history.ts';
import { startLoad } from '../src/verify/load.ts';
import { startThreeBrokers } from '../test/support/cluster.ts';
import { aDeployment, type Deployment, secret, until } from '../test/support/deployment.ts';

const partitions = 6;
const perSecond = 200;
const rounds = Number(process.env['ROUNDS'] ?? 3);
/** Longer than any silence that is expected. */
const watchMs = 25_000;

const say = (line: string) => process.stderr.write(`· ${line}\n`);

type Running = Awaited<ReturnType<Deployment['start']>>;

/** A load through one bridge and two processors for as long as `run` takes. */
async function underLoad(
  deployment: Deployment,
  run: (processors: [Running, Running]) => Promise<void>,
): Promise<void> {
  const bridge = await deployment.start('bridge');
  const processors = await Promise.all([
    deployment.start('processor'),
    deployment.start('processor'),
  ]);
  let isOver = false;
  const running = startLoad({
    url: bridge.url,
    key: secret,
    topics: deployment.catalog.publications,
    run: 'recovery',
    count: 1,
    isEnough: () => isOver,
    concurrency: 100,
    perSecond,
    repeatPercent: 0,
    random: seeded(1),
  });
  await sleep(5_000);
  await run([processors[0], processors[1]]);
  isOver = true;
  await running.done;
}

/**
 * The longest silence of any partition, by the times at which batches were decided, within what
 * `fault` set off.
 */
async function silence(deployment: Deployment, fault: () => Promise<void>): Promise<number> {
  const from = Date.now() - 1_000;
  await fault();
  await sleep(watchMs);
  const times = (await deployment.journal()).filter(({ event }) => event.processedAt > from);
  const byPartition = Map.groupBy(times, ({ partition }) => partition);
  const gaps = [...byPartition.values()].flatMap((list) =>
    list.slice(1).map(({ event }, i) => event.processedAt - (list[i]?.event.processedAt ?? 0)),
  );
  return Math.max(...gaps);
}

const results = new Map<string, number[]>();
const note = (name: string, ms: number) => {
  results.set(name, [...(results.get(name) ?? []), ms]);
  say(`${name}: ${(ms / 1_000).toFixed(1)} s`);
};

for (let round = 1; round <= rounds; round += 1) {
  say(`round ${round} of ${rounds}: processors`);
  await using deployment = await aDeployment(partitions, { SESSION_TIMEOUT: undefined });
  await underLoad(deployment, async ([first, second]) => {
    let joined: Running | undefined;
    const killed = await silence(deployment, async () => {
      second.child.kill('SIGKILL');
      await second.child.exited;
    });
    note('SIGKILL of one of two processors', killed);
    const joining = await silence(deployment, async () => {
      joined = await deployment.start('processor');
    });
    note('a processor joins', joining);
    const restarting = await silence(deployment, async () => {
      first.child.kill('SIGTERM');
      await first.child.exited;
      await deployment.start('processor');
    });
    note('a processor is stopped (SIGTERM) and started again', restarting);
    const hanging = await silence(deployment, async () => void joined?.child.kill('SIGSTOP'));
    note('a processor hangs (SIGSTOP)', hanging);
    joined?.child.kill('SIGCONT');
    joined?.child.kill('SIGTERM');
  });
}

{
  await using brokers = await startThreeBrokers(say);
  for (let round = 1; round <= rounds; round += 1) {
    say(`round ${round} of ${rounds}: a broker`);
    const settings = { SESSION_TIMEOUT: undefined, KAFKA_BROKERS: brokers.bootstrap };
    await using deployment = await aDeployment(partitions, settings);
    await underLoad(deployment, async () => {
      const broker = brokers.nodes[(round - 1) % brokers.nodes.length];
      note(
        'SIGKILL of one of three brokers',
        await silence(deployment, async () => broker?.kill()),
      );
      await broker?.start();
      await until(
        async () => (await deployment.admin.brokerCount()) === brokers.nodes.length,
        'the broker is back',
      );
      await sleep(5_000);
    });
  }
}

for (const [name, list] of results) {
  const seconds = list.sort((a, b) => a - b).map((ms) => (ms / 1_000).toFixed(1));
  const median = seconds[Math.floor(seconds.length / 2)];
  process.stdout.write(`${name}: ${median} s (${seconds.join(', ')})\n`);
}
process.exit(0);
