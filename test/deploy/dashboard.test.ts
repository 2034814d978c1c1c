/**
 * Runs every query of the Grafana board on a real Prometheus that scrapes a real deployment, under
 * load and with dead letters, refusals and a restart.
 */

import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { aBody } from '../support/builders.ts';
import { aDeployment, type Deployment, until } from '../support/deployment.ts';
import { type Prometheus, startPrometheus } from '../support/prometheus.ts';
import { post } from '../support/webhooks.ts';

type Board = {
  readonly panels: readonly {
    readonly title: string;
    readonly targets?: readonly { readonly expr: string }[];
  }[];
};
const board = JSON.parse(
  readFileSync('deploy/helm/voucherbus/files/dashboard.json', 'utf8'),
) as Board;

/** Replaces the variables as Grafana does. */
const expressionOf = (text: string) =>
  text.replaceAll('$__rate_interval', '15s').replaceAll('$job', '.*');

const queries = board.panels.flatMap(({ title, targets = [] }) =>
  targets.map(({ expr }) => [title, expressionOf(expr)] as const),
);

/** The deployment of this test has no TLS. */
const emptyHere = ['Days until a certificate ends'];

let deployment: Deployment;
let prometheus: Prometheus;
let spool: string;
let load: NodeJS.Timeout;

beforeAll(async () => {
  spool = await mkdtemp(join(tmpdir(), 'dashboard-'));
  prometheus = await startPrometheus();
  deployment = await aDeployment(4, { SPOOL_DIR: spool });
  const bridge = await deployment.start('bridge');
  const processors = [await deployment.start('processor'), await deployment.start('processor')];
  await prometheus.setTargets({
    bridge: [bridge.admin],
    processor: processors.map(({ admin }) => admin),
  });
  load = setInterval(() => {
    void post(bridge.url, aBody());
    void post(bridge.url, '{"id":"evpub_1","data":{"object":{}}}');
    void post(bridge.url, aBody(), { 'x-voucherify-signature': '0'.repeat(64) });
  }, 100);
});
afterAll(async () => {
  clearInterval(load);
  await deployment[Symbol.asyncDispose]();
  await prometheus[Symbol.asyncDispose]();
  await rm(spool, { recursive: true, force: true });
});

test.each(queries)('%s: %s', async (title, expression) => {
  if (emptyHere.includes(title)) {
    expect(await prometheus.query(expression)).toEqual([]);
    return;
  }
  await until(async () => {
    const samples = await prometheus.query(expression);
    // A quantile of an empty histogram is not a number.
    return samples.length > 0 && samples.some(({ value }) => Number.isFinite(value));
  }, `the panel shows something: ${expression}`);
});

test('the figures are those of the deployment', async () => {
  const shown = async (title: string) => {
    const [, expression = ''] = queries.find(([one]) => one === title) ?? [];
    return (await prometheus.query(expression)).reduce((sum, { value }) => sum + value, 0);
  };
  expect(await shown('Partitions by processor')).toBe(4);
  expect(await shown('Partitions without owner')).toBe(0);
  expect(await shown('Not ready')).toBe(0);
  await until(async () => (await shown('Dead letters, 24 h')) > 0, 'dead letters are shown');
  await until(async () => (await shown('Events out by topic')) > 1, 'events are shown');
  await until(async () => (await shown('Remembered ids by partition')) > 9, 'ids are shown');
});
