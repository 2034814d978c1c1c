/**
 * One command, several workers: they share the work, die and are replaced, are seen as one, and end
 * as one.
 */

import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { Child } from '../../src/app/child-process.ts';
import { signedHeaders } from '../../src/voucherify/signature.ts';
import { allOnRaw, startLoad } from '../support/ack-load.ts';
import { aBody } from '../support/builders.ts';
import { aDeployment, metric, secret, until } from '../support/deployment.ts';
import { doors } from '../support/doors.ts';
import { startFlow } from '../support/flow.ts';
import { freePort } from '../support/ports.ts';
import { run } from '../support/run.ts';
import { post } from '../support/webhooks.ts';

const two = { BRIDGE_WORKERS: '2', PROCESSOR_WORKERS: '2' };

function workersOf({ pid }: Child): readonly number[] {
  try {
    return execFileSync('pgrep', ['-P', String(pid)], { encoding: 'utf8' })
      .trim()
      .split('\n')
      .map(Number);
  } catch {
    return []; // pgrep's way to say: none
  }
}

const isAlive = (pid: number) => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

const partsOf = async (admin: string) => {
  const response = await fetch(`${admin}/readyz`);
  return { status: response.status, parts: ((await response.json()) as { parts: object }).parts };
};

test('two workers of one processor share the partitions; one is killed repeatedly under load and replaced; every event is forwarded once, and no counter decreases', async () => {
  await using deployment = await aDeployment(4, two);
  const bridge = await deployment.start('bridge');
  const processor = await deployment.start('processor');
  await until(async () => (await partsOf(processor.admin)).status === 200, 'it is ready');
  expect(await metric(processor.admin, 'voucherbus_workers ')).toBe(2);
  let kills = 0;
  const flow = startFlow(deployment, bridge.url, {
    count: 3_000,
    isEnough: () => kills === 3,
    concurrency: 40,
    perSecond: 300,
  });
  let counted = 0;
  for (const end of [1_000, 2_000, 3_000]) {
    await until(async () => {
      const now = await metric(processor.admin, 'voucherbus_events_total');
      expect(now).toBeGreaterThanOrEqual(counted);
      counted = now;
      return flow.begun() >= end || flow.begun() > 4_000;
    }, 'more has been sent');
    const before = workersOf(processor.child);
    expect(before).toHaveLength(2);
    process.kill(before[kills % 2] ?? -1, 'SIGKILL');
    kills += 1;
    await until(
      async () => workersOf(processor.child).filter((pid) => !before.includes(pid)).length === 1,
      'another has taken its place',
    );
    // The admin port repeats its last response for a second: it may be from before the kill.
    await sleep(1_100);
    await until(async () => (await partsOf(processor.admin)).status === 200, 'it is ready again');
  }
  await flow.check();
  // Only what a worker counted after its last report, of about a second, is lost.
  const received = (await deployment.readAll(deployment.catalog.raw)).length;
  const total = await metric(processor.admin, 'voucherbus_events_total');
  expect(total / received).toBeGreaterThan(2 / 3);
  expect(await metric(processor.admin, 'voucherbus_worker_deaths_total')).toBe(3);
  expect(await metric(processor.admin, 'voucherbus_assigned_partitions')).toBe(4);
  processor.child.kill('SIGTERM');
  expect(await processor.child.exited).toBe(0);
  // Each worker that was alive at the end stopped on its own.
  expect(processor.child.output().match(/"msg":"stopped"/g)).toHaveLength(3);
});

test('a killed worker is removed from the group at once: its partitions do not wait for its session', async () => {
  await using deployment = await aDeployment(4, { ...two, SESSION_TIMEOUT: '5m' });
  const bridge = await deployment.start('bridge');
  const processor = await deployment.start('processor');
  await until(async () => (await partsOf(processor.admin)).status === 200, 'it is ready');
  let kills = 0;
  const flow = startFlow(deployment, bridge.url, {
    count: 1_000,
    isEnough: () => kills === 2,
    concurrency: 20,
    perSecond: 300,
  });
  for (; kills < 2; kills += 1) {
    const killed = workersOf(processor.child)[kills] ?? -1;
    process.kill(killed, 'SIGKILL');
    await until(async () => !workersOf(processor.child).includes(killed), 'it is gone');
    await until(async () => (await partsOf(processor.admin)).status === 200, 'it is ready again');
  }
  await flow.check();
});

test('a worker that hangs is killed after half a minute, and replaced', async () => {
  await using deployment = await aDeployment(2, two);
  const processor = await deployment.start('processor');
  await until(async () => (await partsOf(processor.admin)).status === 200, 'it is ready');
  const [hung = -1] = workersOf(processor.child);
  process.kill(hung, 'SIGSTOP');
  await until(async () => {
    const { status, parts } = await partsOf(processor.admin);
    return status === 503 && JSON.stringify(parts).includes('has not responded for');
  }, '/readyz says so');
  await processor.child.said('a worker does not respond any more and is killed');
  await until(async () => (await partsOf(processor.admin)).status === 200, 'it is ready again');
  expect(isAlive(hung)).toBe(false);
});

test.each(['bridge', 'processor'] as const)(
  'when the supervisor of a %s is killed, its workers end at once',
  async (name) => {
    await using deployment = await aDeployment(1, two);
    const { child } = await deployment.start(name);
    const workers = workersOf(child);
    expect(workers).toHaveLength(2);
    child.kill('SIGKILL');
    await until(async () => !workers.some(isAlive), 'they are gone');
  },
);

test.each(['bridge', 'processor'])(
  'a reason that prevents the start of a %s is printed once, not by each worker',
  async (name) => {
    const { code, messages } = await run([name], {
      ...process.env,
      ...two,
      TOPIC_PREFIX: `none-${Date.now()}`,
      WEBHOOK_SECRETS: 's',
      ADMIN_PORT: '0',
      BRIDGE_PORT: '0',
      START_TIMEOUT: '1s',
    });
    expect(code).toBe(1);
    expect(messages.match(/webhooks\.raw does not exist/g)).toHaveLength(1);
  },
);

test('workers that die repeatedly end the command with an error', async () => {
  await using deployment = await aDeployment(1, two);
  const { child } = await deployment.start('processor');
  const killing = setInterval(() => {
    for (const pid of workersOf(child)) process.kill(pid, 'SIGKILL');
  }, 300);
  expect(await child.exited.finally(() => clearInterval(killing))).toBe(1);
  expect(child.output()).toContain('has died several times in a row, last with signal SIGKILL');
});

test('two workers of one bridge share a port, and each may be killed: everything acknowledged is on raw, and no connection is refused', async () => {
  await using deployment = await aDeployment(2, two);
  const bridge = await deployment.start('bridge');
  const load = startLoad([bridge.url], 30);
  for (let round = 1; round <= 4; round += 1) {
    await until(async () => load.acknowledged.size > round * 500, 'more is acknowledged');
    const [first = -1, second = -1] = workersOf(bridge.child);
    process.kill(round % 2 === 0 ? first : second, 'SIGKILL');
    await until(
      async () => workersOf(bridge.child).filter((pid) => pid !== first && pid !== second).length,
      'another has taken its place',
    );
    await until(async () => {
      const { parts } = await partsOf(bridge.admin);
      return Object.values(parts).filter((part) => part === 'ready').length === 2;
    }, 'both are ready');
  }
  await load.stop();
  await allOnRaw(load, deployment);
  // Webhooks whose connection ended with their worker got no response; none was refused.
  expect([...load.statuses.keys()].filter((status) => ![0, 202].includes(status))).toEqual([]);
  await expect(fetch(bridge.url)).resolves.toMatchObject({ status: 405 });
});

test('each worker of a bridge has its own spool; a bridge with fewer workers writes all of it to Kafka', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'voucherbus-spool-'));
  await using deployment = await aDeployment(1);
  await using away = await doors(directory);
  const three = await deployment.start('bridge', { ...away.env, BRIDGE_WORKERS: '3' });
  const ids = Array.from({ length: 60 }, (_, i) => `pub_${i}`);
  const statuses = await Promise.all(
    ids.map(async (publicationId) => {
      const { status, body } = await post(three.url, aBody({ publicationId }));
      return `${status} ${body['status']}`;
    }),
  );
  expect(new Set(statuses)).toEqual(new Set(['202 spooled']));
  await until(
    async () => (await metric(three.admin, 'voucherbus_spool_webhooks')) === 60,
    'the metric counts them all',
  );
  expect((await readdir(directory)).sort()).toEqual(
    expect.arrayContaining(['worker-2', 'worker-3']),
  );
  three.child.kill('SIGTERM');
  expect(await three.child.exited).toBe(0);

  await Promise.all([away.openKafka(), away.openRegistry()]);
  await deployment.start('bridge', { ...away.env, BRIDGE_WORKERS: '1' });
  const { readAll, catalog } = deployment;
  await until(async () => (await readAll(catalog.raw)).length >= 60, 'all are on raw');
  expect(new Set((await readAll(catalog.raw)).map(({ key }) => String(key)))).toEqual(new Set(ids));
  await rm(directory, { recursive: true, force: true });
});

test('two bridges with workers cannot share a spool: the second does not start', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'voucherbus-spool-'));
  await using deployment = await aDeployment(1, two);
  await deployment.start('bridge', { SPOOL_DIR: directory });
  const second = deployment.launch('bridge', {
    SPOOL_DIR: directory,
    BRIDGE_PORT: String(await freePort()),
  });
  expect(await second.exited).toBe(1);
  expect(second.output().match(/^voucherbus bridge: another bridge uses SPOOL_DIR/gm)).toHaveLength(
    1,
  );
  await rm(directory, { recursive: true, force: true });
});

test('SIGTERM to every process of the group, as systemd sends it, stops once: half-sent webhooks get a response', async () => {
  await using deployment = await aDeployment(2, two);
  const bridge = await deployment.start('bridge');
  const processor = await deployment.start('processor');
  await until(async () => (await partsOf(processor.admin)).status === 200, 'it is ready');
  const body = aBody();
  const { hostname, port, pathname } = new URL(bridge.url);
  const head = Object.entries(signedHeaders(body, secret)).map(
    ([name, value]) => `${name}: ${value}`,
  );
  const halfSent = await Promise.all(
    Array.from({ length: 6 }, async () => {
      const socket = connect(Number(port), hostname);
      const answered = new Promise<string>((resolve) => {
        let said = '';
        socket.on('data', (data) => {
          said += data;
        });
        socket.on('error', () => undefined);
        socket.on('close', () => resolve(said));
      });
      const lines = [
        `POST ${pathname} HTTP/1.1`,
        'host: bus',
        `content-length: ${body.length}`,
        ...head,
      ];
      socket.write(`${lines.join('\r\n')}\r\n\r\n`);
      socket.write(body.subarray(0, 100));
      await once(socket, 'connect').catch(() => undefined);
      return { socket, answered };
    }),
  );
  await sleep(300);
  for (const { child } of [bridge, processor]) {
    for (const pid of [child.pid, ...workersOf(child)]) process.kill(pid, 'SIGTERM');
  }
  await sleep(200);
  for (const { socket } of halfSent) socket.write(body.subarray(100));
  for (const { answered } of halfSent) expect(await answered).toMatch(/^HTTP\/1.1 202 /);
  expect(await bridge.child.exited).toBe(0);
  expect(await processor.child.exited).toBe(0);
  // They have left the group, so their partitions do not wait for the end of their sessions.
  expect(await deployment.admin.memberCount(deployment.prefix)).toBe(0);
});
