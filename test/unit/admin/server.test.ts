import { get, type IncomingMessage } from 'node:http';
import { afterEach, expect, test } from 'vitest';
import { type AdminServer, startAdminServer } from '../../../src/admin/server.ts';
import { createLog } from '../../../src/observability/log.ts';
import { noRefusals } from '../../../src/observability/refusals.ts';

let server: AdminServer | undefined;
afterEach(() => server?.close());

const log = createLog('silent', 'test');
const refusals = async () => noRefusals();
const on = { adminHost: '127.0.0.1', adminPort: 0 };
const ask = async (path: string) => {
  const response = await fetch(`http://127.0.0.1:${server?.port}${path}`);
  return { status: response.status, text: await response.text() };
};

test('concurrent requests for readiness and metrics share one result', async () => {
  let [statuses, metrics] = [0, 0];
  server = await startAdminServer(
    on,
    {
      status: () => {
        statuses += 1;
        return { isReady: true, parts: {} };
      },
      metrics: async () => {
        metrics += 1;
        return 'up 1';
      },
      refusals,
    },
    log,
  );
  const paths = Array.from({ length: 40 }, (_, i) => (i % 2 === 0 ? '/readyz' : '/metrics'));
  const answers = await Promise.all(paths.map(ask));
  expect(answers.every(({ status }) => status === 200)).toBe(true);
  expect(statuses).toBeLessThan(5);
  expect(metrics).toBeLessThan(5);
});

test('a status that cannot be read is a response, not the end of the process', async () => {
  server = await startAdminServer(
    on,
    {
      status: () => Promise.reject(new Error('the workers do not answer')),
      metrics: async () => '',
      refusals,
    },
    log,
  );
  expect(await ask('/readyz')).toMatchObject({
    status: 500,
    text: expect.stringContaining('the workers do not answer'),
  });
  expect((await ask('/livez')).status).toBe(200);
});

test('clients that hold connections open leave enough for the others', async () => {
  server = await startAdminServer(
    on,
    {
      status: () => ({ isReady: true, parts: {} }),
      metrics: async () => '',
      refusals,
    },
    log,
  );
  const held: IncomingMessage[] = [];
  const hold = () =>
    new Promise<number>((resolve, reject) => {
      get({ port: server?.port, path: '/alive', agent: false }, (response) => {
        held.push(response);
        resolve(response.statusCode ?? 0);
      }).on('error', reject);
    });
  const statuses: number[] = [];
  for (let i = 0; i < 520; i += 1) statuses.push(await hold());
  expect(statuses.filter((status) => status === 200)).toHaveLength(512);
  expect((await ask('/livez')).status).toBe(200);
  for (const response of held) response.destroy();
});
