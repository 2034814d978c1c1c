/**
 * A supervisor's port and real workers behind it, which answer with their process id, hang, die and
 * leave.
 */

import cluster, { type Worker } from 'node:cluster';
import { on, once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type TestContext, test, vi } from 'vitest';
import { listen } from '../../../src/admin/listen.ts';
import { createLog } from '../../../src/observability/log.ts';
import { ConnectionBalancer } from '../../../src/workers/connection-balancer.ts';
import type { AboutConnections } from '../../../src/workers/messages.ts';
import { exchange } from '../../support/raw-http.ts';

const host = '127.0.0.1';
const get = 'GET / HTTP/1.1\r\nhost: x\r\n\r\n';

cluster.setupPrimary({
  exec: fileURLToPath(new URL('../../support/sharing-worker.ts', import.meta.url)),
  execArgv: [],
});

async function hear(worker: Worker, word: 'ready' | 'left'): Promise<void> {
  for await (const [message] of on(worker, 'message')) if (message === word) return;
}

/** Longer than any worker of a test that does not hang takes, also on a busy machine. */
const longMs = 20_000;

async function aPort(count: number, { onTestFinished }: TestContext, hangsAfterMs = longMs) {
  let port = 0;
  const shared = new ConnectionBalancer(async (server) => {
    port = await listen(server, 0, host, 'BRIDGE_PORT', createLog('silent', 'test'));
    return port;
  }, hangsAfterMs);
  const addWorker = async (): Promise<Worker> => {
    const worker = cluster.fork();
    worker.on('message', (message: AboutConnections | 'ready' | 'left') => {
      if (typeof message !== 'string') void shared.onMessage(worker, message);
    });
    worker.on('exit', () => void shared.onExit(worker));
    onTestFinished(() => void worker.process.kill('SIGKILL'));
    await hear(worker, 'ready');
    return worker;
  };
  const workers = await Promise.all(Array.from({ length: count }, addWorker));
  onTestFinished(() => shared.close());
  const open = new Set<Socket>();
  onTestFinished(() => {
    for (const socket of open) socket.destroy();
  });
  /** A connection that stays: who answers on it. */
  const aConnection = async () => {
    const socket = connect(port, host);
    open.add(socket);
    socket.write(get);
    let text = '';
    for await (const bytes of socket.iterator({ destroyOnReturn: false })) {
      text += String(bytes);
      if (/\r\n\r\n\d+$/.test(text)) break;
    }
    return { socket, pid: Number(/\d+$/.exec(text)) };
  };
  const connections = async (many: number) =>
    await Promise.all(Array.from({ length: many }, aConnection));
  return { shared, port, url: `http://${host}:${port}`, workers, addWorker, connections };
}

const shares = (connections: readonly { pid: number }[], workers: readonly Worker[]) =>
  workers.map(({ process }) => connections.filter(({ pid }) => pid === process.pid).length);

test.concurrent('concurrent connections are balanced over all workers', async (context) => {
  const { workers, connections } = await aPort(3, context);
  context.expect(shares(await connections(96), workers)).toEqual([32, 32, 32]);
});

test.concurrent('the worker with the fewest connections gets the next ones: after connections have ended, and when it is new', async (context) => {
  const { workers, addWorker, connections } = await aPort(2, context);
  const before = await connections(20);
  const [first, second] = workers as [Worker, Worker];
  for (const { socket, pid } of before) if (pid === second.process.pid) socket.destroy();
  const third = await addWorker();
  await vi.waitFor(async () => {
    const next = await connections(2);
    for (const { socket } of next) socket.destroy();
    context.expect(shares(next, [first])).toEqual([0]);
  });
  await sleep(200); // until it is known that these have ended
  context.expect(shares(await connections(20), [first, second, third])).toEqual([0, 10, 10]);
});

/** Stops the worker, and waits until the kernel has done it: a busy machine takes a while. */
async function stopped({ process: child }: Worker): Promise<void> {
  child.kill('SIGSTOP');
  const path = `/proc/${child.pid}/stat`;
  const isStopped = () => !existsSync(path) || /\) T /.test(readFileSync(path, 'utf8'));
  await vi.waitUntil(isStopped, { timeout: 20_000 });
}

test.concurrent('a hanging worker gets no more connections; those on their way to it go to another one when it dies', async (context) => {
  const hangsAfterMs = 2_000;
  const { workers, connections } = await aPort(2, context, hangsAfterMs);
  const [hung, other] = workers as [Worker, Worker];
  await stopped(hung);
  const early = Array.from({ length: 10 }, () => connections(1));
  let answered = 0;
  for (const one of early) void one.then(() => (answered += 1));
  // Half of them, and on a slow machine those that came when it was known to hang.
  await vi.waitFor(() => context.expect(answered).toBeGreaterThanOrEqual(5), { timeout: 20_000 });
  await sleep(hangsAfterMs + 500);
  context.expect(shares(await connections(4), [hung, other])).toEqual([0, 4]);
  context.expect(answered).toBeLessThan(10);
  hung.process.kill('SIGKILL');
  context.expect(shares((await Promise.all(early)).flat(), [hung, other])).toEqual([0, 10]);
});

test.concurrent('while there is no worker, connections wait', async (context) => {
  const { workers, addWorker, connections } = await aPort(1, context);
  const [first] = workers as [Worker];
  first.process.kill('SIGKILL');
  await once(first, 'exit');
  const early = connections(5);
  const second = await addWorker();
  context.expect(shares(await early, [second])).toEqual([5]);
});

test.concurrent('a leaving worker gets no more connections; with the last one the port closes, after waiting connections got responses', async (context) => {
  const { workers, connections, url } = await aPort(2, context);
  const [first, second] = workers as [Worker, Worker];
  first.process.kill('SIGTERM');
  await hear(first, 'left');
  context.expect(shares(await connections(6), [first, second])).toEqual([0, 6]);
  const early = connections(6);
  await new Promise((resolve) => process.nextTick(resolve)); // they have begun
  second.process.kill('SIGTERM');
  // A supervisor that is held up finds the word of the last worker beside connections that it has
  // yet to accept.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 500);
  context.expect(shares(await early, [first, second])).toEqual([0, 6]);
  await vi.waitFor(async () => context.expect((await exchange(url, [get])).answers).toEqual([]));
});

test.concurrent('a passed connection behaves like an accepted one: it may be half-closed, and its head must arrive in time', async (context) => {
  const { url } = await aPort(1, context);
  const half = await exchange(url, [get], { finish: true });
  context.expect(half.answers.map(({ status }) => status)).toEqual([200]);
  const slow = await exchange(url, ['GET / HTTP/1.1\r\n']);
  context.expect(slow.answers.map(({ status }) => status)).toEqual([408]);
});
