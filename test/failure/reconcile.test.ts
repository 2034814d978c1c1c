/**
 * A gap of one publication in twenty, reconciled by a command that is killed again and again, while
 * a part of the webhooks comes late: every publication once.
 */

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { startChild } from '../../src/app/child-process.ts';
import { poll } from '../../src/concurrency/retry.ts';
import type { Report } from '../../src/reconcile/report.ts';
import { aDeployment } from '../support/deployment.ts';
import { type Published, reconcileSettings, startSimulator } from '../support/vendor-simulator.ts';
import { post } from '../support/webhooks.ts';

/** RECONCILE_COUNT=100000 RECONCILE_KILLS=10 takes four minutes. */
const count = Number(process.env['RECONCILE_COUNT'] ?? 2_000);
const kills = Number(process.env['RECONCILE_KILLS'] ?? 3);
/** The webhook of every so many-th publication is withheld. */
const withheldEvery = Number(process.env['RECONCILE_WITHHELD_EVERY'] ?? 20);

const kinds: Readonly<Record<number, (n: number) => Partial<Published>>> = {
  20: (n) => ({ codes: [`A-${n}`, `B-${n}`, `C-${n}`] }),
  40: () => ({ campaign: null }),
  60: () => ({ campaign: 'Deleted' }),
  80: () => ({ codes: ['STANDALONE'] }),
  0: () => ({ sourceId: null }),
};

/** However many publications there are: repeats the query until it returns something. */
const until = <T>(query: () => Promise<T | undefined | false>, what: () => string) =>
  poll(async () => (await query()) || undefined, {
    everyMs: 200,
    timeoutMs: longMs,
    timeoutError: () => new Error(`not within an hour: ${what()}`),
  });

const longMs = 3_600_000;

test('a gap is closed exactly once, although the command is killed and webhooks come late', {
  timeout: longMs,
}, async () => {
  await using vendor = await startSimulator();
  vendor.behaviour.deleted.add('camp_Deleted');
  await using deployment = await aDeployment(3, reconcileSettings(vendor));
  const { url } = await deployment.start('bridge');
  await deployment.start('processor', {
    VOUCHERIFY_APP_ID: undefined,
    VOUCHERIFY_APP_TOKEN: undefined,
  });
  const start = Date.now() - 10 * 3_600_000;
  for (let n = 0; n < count; n += 1) {
    vendor.publish({ createdAtMs: start + 7 * n, ...kinds[n % 100]?.(n) });
  }
  const withheld = vendor.published.filter((_, n) => n % withheldEvery === 0);
  const late = withheld.filter((_, n) => n % 5 === 0);
  await deliver(
    url,
    vendor.published.filter((_, n) => n % withheldEvery !== 0),
  );

  const listed = () => vendor.calls.get('GET publications') ?? 0;
  const args = ['reconcile', '--since', '1d', '--execute', '--json'];
  const delivered: Promise<void>[] = [];
  for (let kill = 1; kill <= kills; kill += 1) {
    const child = startChild(args, deployment.env);
    const enough = Math.floor((withheld.length * kill) / (kills + 2));
    await until(
      async () => listed() >= enough,
      () => `${enough} looked up: ${child.output()}`,
    );
    const share = late.filter((_, n) => n % kills === kill - 1);
    delivered.push(deliver(url, share));
    child.kill('SIGKILL');
    await child.exited;
  }
  await Promise.all(delivered);
  const last = startChild(args, deployment.env);
  let peakKb = 0;
  const peak = setInterval(() => {
    peakKb = Math.max(peakKb, peakKbOf(last.pid));
  }, 100);
  const code = await last.exited;
  clearInterval(peak);
  const text = last
    .output()
    .split('\n')
    .filter((line) => !/^(\{"level"|·)/.test(line))
    .join('\n');
  expect(code, text).toBe(0);
  const report = JSON.parse(text) as Report;
  expect(report).toMatchObject({ undecided: [], isResumed: true });

  const counts = await until(
    async () => {
      const found = await publicationsOf(deployment);
      return [...found.values()].reduce((sum, n) => sum + n, 0) >= count && found;
    },
    () => 'all came out',
  );
  expect([...counts.values()].filter((n) => n !== 1)).toEqual([]);
  expect([...counts.keys()].sort()).toEqual(vendor.published.map(({ id }) => id).sort());

  const calls = ['POST exports', 'GET exports', 'GET publications'].map(
    (name) => vendor.calls.get(name) ?? 0,
  );
  const lookedUp = calls.reduce((sum, n) => sum + n, 0);
  // Each attempt asks whether the export is there; a kill may lose one response.
  expect(lookedUp).toBeLessThanOrEqual(3 + 1.2 * withheld.length + 2 * kills);
  process.stderr.write(
    `· ${count} publications, ${withheld.length} withheld, ${late.length} of them late, ${kills} kills: ${lookedUp} calls, ${vendor.calls.get('GET vouchers')} vouchers and ${vendor.calls.get('GET campaigns')} campaigns looked up, peak ${Math.round(peakKb / 1024)} MB\n`,
  );
});

async function deliver(url: string, all: readonly Published[]): Promise<void> {
  const queue = all.values();
  const send = async () => {
    for (const { webhook } of queue) expect((await post(url, webhook)).status).toBe(202);
  };
  await Promise.all(Array.from({ length: 20 }, send));
}

/** How often each publication is on an output topic. */
async function publicationsOf({
  catalog,
  reader,
  partitions,
}: Awaited<ReturnType<typeof aDeployment>>) {
  const counts = new Map<string, number>();
  for (const topic of Object.values(catalog.publications)) {
    for (let partition = 0; partition < partitions; partition += 1) {
      const range = await reader.rangeOf(topic, partition, 'start', 'end');
      for await (const { key } of reader.records(range)) {
        const id = String(key);
        counts.set(id, (counts.get(id) ?? 0) + 1);
      }
    }
  }
  return counts;
}

/** The most memory that a process has held; 0 if it has ended. */
function peakKbOf(pid: number | undefined): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    return Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0);
  } catch {
    return 0;
  }
}
