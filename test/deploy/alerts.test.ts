/**
 * Proves the alert rules on real faults: each fault raises its alert, and no other, in a real
 * Prometheus. The seconds that each takes are printed. One deployment for each fault, all at once.
 */

import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rm, truncate, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createServer as createTlsServer } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { inspect, promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startChild } from '../../src/app/child-process.ts';
import { poll } from '../../src/concurrency/retry.ts';
import { commitInitialOffsets } from '../../src/topics/initial-offsets.ts';
import { createAuthority } from '../support/authority.ts';
import { aBody } from '../support/builders.ts';
import { deleteRecords } from '../support/delete-records.ts';
import { aDeployment, type Deployment, until } from '../support/deployment.ts';
import { doors } from '../support/doors.ts';
import { connectTransaction } from '../support/foreign-transaction.ts';
import { type Prometheus, startPrometheus, type Targets } from '../support/prometheus.ts';
import { apis, startProxy } from '../support/proxy.ts';
import {
  ourWebhook,
  reconcileSettings,
  startSimulator,
  watchSettings,
} from '../support/vendor-simulator.ts';
import { post } from '../support/webhooks.ts';

const run = promisify(execFile);
/** A healthy deployment, and the fault to inject. */
type Case = {
  readonly deployment: Deployment;
  /** Admin addresses. */
  readonly targets: string[];
  readonly fault: () => Promise<unknown>;
};

type Cleanup = { defer: (dispose: () => unknown) => void; directory: () => Promise<string> };
type Cases = Readonly<Record<string, (cleanup: Cleanup) => Promise<Case>>>;

const clockOf = (ms: number) => ({
  NODE_OPTIONS: `--import=${new URL('../support/clock.ts', import.meta.url).href}`,
  CLOCK: `0:${ms}`,
});

const postAll = (url: string, count: number) =>
  Promise.all(Array.from({ length: count }, () => post(url, aBody())));

/** A bridge with a spool and a processor-less deployment, behind a door that can be shut. */
async function behindDoor({ defer, directory }: Cleanup, extra: Record<string, string> = {}) {
  const spool = await directory();
  const door = await doors(spool);
  defer(() => door[Symbol.asyncDispose]());
  await Promise.all([door.openKafka(), door.openRegistry()]);
  const deployment = await aDeployment(1, { ...door.env, ...extra });
  const bridge = await deployment.start('bridge');
  return { spool, door, deployment, bridge };
}

const cases: Cases = {
  VoucherbusNotReady: async ({ defer, directory }) => {
    const door = await doors(await directory());
    defer(() => door[Symbol.asyncDispose]());
    await Promise.all([door.openKafka(), door.openRegistry()]);
    const { SPOOL_DIR: _, ...env } = door.env;
    const deployment = await aDeployment(1, env);
    const bridge = await deployment.start('bridge', { RESPONSE_TIMEOUT: '1s' });
    const fault = async () => {
      await door.shut('kafka');
      await postAll(bridge.url, 3);
    };
    return { deployment, targets: [bridge.admin], fault };
  },
  VoucherbusNoBridge: async () => {
    const deployment = await aDeployment(1);
    const bridge = await deployment.start('bridge');
    return { deployment, targets: [bridge.admin], fault: async () => bridge.child.kill('SIGKILL') };
  },
  VoucherbusPartitionWithoutOwner: async () => {
    const deployment = await aDeployment(2);
    const { admin, child } = await deployment.start('processor');
    return { deployment, targets: [admin], fault: async () => child.kill('SIGKILL') };
  },
  VoucherbusLagging: async ({ defer }) => {
    const { env, proxy, deployment } = await processorBehindProxy(defer, {
      TRANSACTION_MAX_RECORDS: '1',
    });
    const bridge = await deployment.start('bridge');
    const processor = await deployment.start('processor', env);
    await post(bridge.url, aBody());
    const fault = async () => {
      for (let i = 0; i < 20; i += 1) {
        void proxy.inject(apis.EndTxn, { kind: 'delay', ms: 4_000 });
      }
      await postAll(bridge.url, 20);
    };
    return { deployment, targets: [bridge.admin, processor.admin], fault };
  },
  VoucherbusTransactionsFailing: async ({ defer }) => {
    const { env, proxy, deployment } = await processorBehindProxy(defer);
    const bridge = await deployment.start('bridge');
    const processor = await deployment.start('processor', env);
    await post(bridge.url, aBody());
    const fault = async () => {
      for (let i = 0; i < 8; i += 1) {
        const cut = proxy.inject(apis.EndTxn, { kind: 'cut' });
        await post(bridge.url, aBody());
        await cut;
        await sleep(3_000);
      }
    };
    return { deployment, targets: [bridge.admin, processor.admin], fault };
  },
  VoucherbusOpenTransaction: async ({ defer }) => {
    const deployment = await aDeployment(1);
    const { admin } = await deployment.start('processor');
    const foreign = await connectTransaction(deployment.client, `${deployment.prefix}-foreign`);
    defer(() => foreign.abort());
    const fault = () => foreign.send(deployment.catalog.publications['gift-vouchers'], 0);
    return { deployment, targets: [admin], fault };
  },
  VoucherbusRawRecordsLost: async () => {
    const deployment = await aDeployment(1);
    const { client, admin, prefix, catalog } = deployment;
    await commitInitialOffsets(client, admin, prefix, catalog);
    const bridge = await deployment.start('bridge');
    await postAll(bridge.url, 5);
    const targets = [bridge.admin];
    const fault = async () => {
      await deleteRecords(client, catalog.raw, 0, 3);
      targets.push((await deployment.start('processor')).admin);
    };
    return { deployment, targets, fault };
  },
  VoucherbusDeadLetters: async () => {
    const deployment = await aDeployment(1);
    const bridge = await deployment.start('bridge');
    const processor = await deployment.start('processor');
    const fault = () => post(bridge.url, '{"id":"evpub_1","data":{"object":{}}}');
    return { deployment, targets: [bridge.admin, processor.admin], fault };
  },
  VoucherbusSpoolInUse: async (cleanup) => {
    const { door, deployment, bridge } = await behindDoor(cleanup);
    const fault = async () => {
      await door.shut('kafka');
      await postAll(bridge.url, 3);
    };
    return { deployment, targets: [bridge.admin], fault };
  },
  VoucherbusSpoolHalfFull: async (cleanup) => {
    const { door, deployment, bridge } = await behindDoor(cleanup, { SPOOL_MAX_BYTES: '1MiB' });
    const fault = async () => {
      await door.shut('kafka');
      const webhook = JSON.parse(aBody().toString()) as object;
      await post(bridge.url, JSON.stringify({ ...webhook, padding: 'x'.repeat(700_000) }));
    };
    return { deployment, targets: [bridge.admin], fault };
  },
  VoucherbusSpoolDamaged: async (cleanup) => {
    const { door, deployment, bridge, spool } = await behindDoor(cleanup);
    const targets = [bridge.admin];
    const fault = async () => {
      await door.shut('kafka');
      await postAll(bridge.url, 3);
      bridge.child.kill('SIGKILL');
      await bridge.child.exited;
      const [segment = ''] = (await readdir(spool)).filter((name) => name.endsWith('.segment'));
      await truncate(join(spool, segment), 200);
      await door.openKafka();
      targets.push((await deployment.start('bridge')).admin);
      targets.shift();
    };
    return { deployment, targets, fault };
  },
  VoucherbusWebhooksRefusedByKafka: async ({ directory }) => {
    const deployment = await aDeployment(1, { SPOOL_DIR: await directory() });
    const bridge = await deployment.start('bridge');
    await deployment.admin.setConfig(deployment.catalog.raw, { 'max.message.bytes': '20000' });
    const fault = () => {
      const webhook = JSON.parse(aBody().toString()) as object;
      return post(bridge.url, JSON.stringify({ ...webhook, padding: 'x'.repeat(30_000) }));
    };
    return { deployment, targets: [bridge.admin], fault };
  },
  VoucherbusWebhooksNotStored: async () => {
    const deployment = await aDeployment(1);
    const bridge = await deployment.start('bridge', { IN_FLIGHT_MAX_REQUESTS: '1' });
    const fault = async () => {
      for (let i = 0; i < 5; i += 1) await postAll(bridge.url, 10);
    };
    return { deployment, targets: [bridge.admin], fault };
  },
  VoucherbusSignaturesRefused: async () => {
    const deployment = await aDeployment(1);
    const bridge = await deployment.start('bridge');
    const headers = { 'x-voucherify-signature': '0'.repeat(64) };
    return {
      deployment,
      targets: [bridge.admin],
      fault: () => post(bridge.url, aBody(), headers),
    };
  },
  VoucherbusReloadFailed: async ({ directory }) => {
    const file = join(await directory(), 'routes.yaml');
    await writeFile(
      file,
      'match: first\nroutes:\n  - { name: gifts, to: gift-vouchers }\ndefault: other\n',
    );
    const deployment = await aDeployment(1, { ROUTES_FILE: file });
    const { admin } = await deployment.start('processor');
    const fault = () =>
      writeFile(file, 'match: first\nroutes:\n  - { name: gifts, to: Gifts! }\ndefault: other\n');
    return { deployment, targets: [admin], fault };
  },
  VoucherbusClockSkew: async () => {
    const deployment = await aDeployment(1);
    const bridge = await deployment.start('bridge', clockOf(2 * 3_600_000));
    return { deployment, targets: [bridge.admin], fault: () => post(bridge.url, aBody()) };
  },
  VoucherbusWorkersDying: async () => {
    const deployment = await aDeployment(4, { PROCESSOR_WORKERS: '2' });
    const { admin, child } = await deployment.start('processor');
    const fault = async () => {
      for (let kills = 0; kills < 4; kills += 1) {
        const { stdout } = await run('pgrep', ['-P', String(child.pid)]);
        process.kill(Number(stdout.split('\n')[0]), 'SIGKILL');
        await sleep(4_000);
      }
    };
    return { deployment, targets: [admin], fault };
  },
  VoucherbusCertificateExpires: async ({ defer, directory }) => {
    const deployment = await aDeployment(1);
    const bridge = await deployment.start('bridge');
    const authority = await createAuthority('registry');
    const registry = new URL(process.env['SCHEMA_REGISTRY_URL'] ?? '');
    const server = createTlsServer(await authority.certify({ name: 'r', toDays: 10 }), (socket) => {
      const to = connect(Number(registry.port), registry.hostname);
      for (const one of [socket, to]) one.on('error', () => undefined);
      socket.pipe(to).pipe(socket);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    defer(() => server.close());
    const { port } = server.address() as { port: number };
    const ca = join(await directory(), 'ca.pem');
    await writeFile(ca, authority.ca);
    const targets = [bridge.admin];
    const fault = async () => {
      const { admin } = await deployment.start('bridge', {
        SCHEMA_REGISTRY_URL: `https://127.0.0.1:${port}${registry.pathname}`,
        SCHEMA_REGISTRY_CA_FILE: ca,
      });
      targets.push(admin);
    };
    return { deployment, targets, fault };
  },
  VoucherbusWebhookInactive: async ({ defer }) => {
    const { vendor, deployment, bridge } = await withWatch(defer);
    const fault = async () => Object.assign(vendor.webhooks[0] ?? {}, { active: false });
    return { deployment, targets: [bridge.admin], fault };
  },
  VoucherbusWebhookNotWatched: async ({ defer }) => {
    const { vendor, deployment, bridge } = await withWatch(defer);
    return {
      deployment,
      targets: [bridge.admin],
      fault: async () => vendor[Symbol.asyncDispose](),
    };
  },
  VoucherbusPublicationsMissing: async ({ defer }) => {
    const { vendor, deployment, admin } = await withReconcile(defer);
    const fault = async () => vendor.publish({ createdAtMs: Date.now() - 7_200_000 });
    return { deployment, targets: [admin], fault };
  },
  VoucherbusReconcileFailing: async ({ defer }) => {
    const { vendor, deployment, admin } = await withReconcile(defer);
    const fault = async () => Object.assign(vendor.behaviour, { exportStatus: 'ERROR' });
    return { deployment, targets: [admin], fault };
  },
};

/** A bridge that watches its webhook, which is as it must be. */
async function withWatch(defer: Cleanup['defer']) {
  const vendor = await startSimulator();
  defer(() => vendor[Symbol.asyncDispose]());
  vendor.webhooks.push(ourWebhook());
  const deployment = await aDeployment(1, watchSettings(vendor));
  return { vendor, deployment, bridge: await deployment.start('bridge') };
}

/** A service that reconciles every two seconds, and finds nothing missing. */
async function withReconcile(defer: Cleanup['defer']) {
  const vendor = await startSimulator();
  defer(() => vendor[Symbol.asyncDispose]());
  const deployment = await aDeployment(1, reconcileSettings(vendor));
  const child = startChild(['reconcile', '--since', '1d', '--every', '2s'], deployment.env);
  defer(() => child.kill('SIGKILL'));
  const { adminPort } = await child.said('reconcile is ready');
  return { vendor, deployment, admin: `http://127.0.0.1:${adminPort}` };
}

async function processorBehindProxy(
  defer: Cleanup['defer'],
  settings: Record<string, string> = {},
) {
  const [host = '', port] = (process.env['KAFKA_BROKERS'] ?? '').split(':');
  const proxy = await startProxy({ host, port: Number(port) }, { isKafka: true });
  defer(() => proxy[Symbol.asyncDispose]());
  const deployment = await aDeployment(1);
  const env = {
    ...settings,
    NODE_OPTIONS: `--import=${new URL('../support/redirect.ts', import.meta.url).href}`,
    REDIRECT: `${port}:${proxy.port}`,
  };
  return { env, proxy, deployment };
}

const disposals: (() => unknown)[] = [];
const cleanup: Cleanup = {
  defer: (dispose) => void disposals.unshift(dispose),
  directory: async () => {
    const directory = await mkdtemp(join(tmpdir(), 'alerts-'));
    disposals.push(() => rm(directory, { recursive: true, force: true }));
    return directory;
  },
};

let prometheus: Prometheus;
const playing = new Map<string, Case>();
beforeAll(async () => {
  prometheus = await startPrometheus();
  for (const [alert, prepare] of Object.entries(cases)) {
    const one = await prepare(cleanup);
    cleanup.defer(() => one.deployment[Symbol.asyncDispose]());
    playing.set(alert, one);
  }
});
afterAll(async () => {
  // Each, whatever becomes of the others: processes that stay would keep CI waiting.
  const failures: unknown[] = [];
  for (const dispose of [...disposals, () => prometheus?.[Symbol.asyncDispose]()]) {
    await Promise.resolve()
      .then(dispose)
      .catch((error: unknown) => failures.push(error));
  }
  expect(failures).toEqual([]);
});

const targetsNow = (): Targets =>
  Object.fromEntries([...playing].map(([alert, { targets }]) => [alert, targets]));

/** Returns the alerts that were firing at any time, by the label `job`. */
async function firedBy(): Promise<Record<string, readonly string[]>> {
  const seen = await prometheus.query('max_over_time(ALERTS{alertstate="firing"}[30m])');
  const fired: Record<string, string[]> = {};
  for (const { labels } of seen) {
    const { job = '', alertname = '' } = labels;
    fired[job] = [...new Set([...(fired[job] ?? []), alertname])];
  }
  return fired;
}

/** Waits much longer than the minute that it takes: the machine may be slow. */
const fires = (alert: string) =>
  poll(async () => ((await firedBy())[alert]?.includes(alert) ? true : undefined), {
    everyMs: 500,
    timeoutMs: 240_000,
    timeoutError: () => new Error(`${alert} does not fire`),
  });

test('each fault raises its alert and no other', async () => {
  await prometheus.setTargets(targetsNow());
  const jobs = Object.keys(cases);
  await until(async () => {
    const ready = await prometheus.query('min by (job) (voucherbus_ready) == 1');
    return ready.length === jobs.length;
  }, 'every deployment is ready');
  // Longer than any rule waits: a rule that is wrong about a healthy deployment shows.
  await sleep(35_000);
  expect(await firedBy()).toEqual({});

  const seconds: Record<string, number> = {};
  const faults = [...playing].map(async ([alert, { fault }]) => {
    const startedAt = performance.now();
    await Promise.all([
      fault().then(() => prometheus.setTargets(targetsNow())),
      fires(alert).then(() => {
        seconds[alert] = Math.round((performance.now() - startedAt) / 1_000);
      }),
    ]);
  });
  const failed = (await Promise.allSettled(faults)).filter(({ status }) => status === 'rejected');
  if (failed.length > 0) process.stderr.write(`${inspect(failed)}\n`);
  // Alerts that a longer fault would raise have the time to show.
  await sleep(10_000);
  process.stderr.write(`· seconds from the fault to its alert: ${JSON.stringify(seconds)}\n`);
  expect(await firedBy()).toEqual(Object.fromEntries(jobs.map((alert) => [alert, [alert]])));
  expect(failed).toEqual([]);
  for (const alert of jobs) expect([alert, seconds[alert]]).toEqual([alert, expect.any(Number)]);
});

test('promtool: each rule fires on its series, and a healthy deployment raises nothing', async () => {
  const file = fileURLToPath(new URL('./alerts.promtool.yaml', import.meta.url));
  const { stdout } = await run('promtool', ['test', 'rules', file]);
  expect(stdout).toContain('SUCCESS');
});
