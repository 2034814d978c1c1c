/**
 * Real processes with real admin servers, which live, hang, die, or are hidden behind a network.
 * They wait for each other: all at once.
 */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { type TestContext, test, vi } from 'vitest';
import type { ProcessIdentity } from '../../../src/kafka/member-metadata.ts';
import { waitForDeath } from '../../../src/membership/liveness.ts';

const host = '127.0.0.1';

// Two dozen attempts, 100 ms apart, and a start of Node.
vi.setConfig({ testTimeout: 30_000 });

/** A process that does nothing but listen. @param port 0 takes a free one */
async function aProcess({ onTestFinished }: TestContext, port = 0) {
  const server = new URL('../../../src/admin/server.ts', import.meta.url).href;
  const script = `
    const { startAdminServer } = await import('${server}');
    const { port, name } = await startAdminServer({ adminHost: '${host}', adminPort: ${port} }, {}, {});
    console.log(JSON.stringify({ host: '${host}', port, hostname: '', name }));`;
  const args = ['--input-type=module', '-e', script];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  const [line] = await once(createInterface({ input: child.stdout }), 'line');
  return { child, identity: JSON.parse(line) as ProcessIdentity };
}

/** Watches a process, and keeps the result. */
function watch({ onTestFinished }: TestContext, identity: ProcessIdentity) {
  const watching = new AbortController();
  onTestFinished(() => watching.abort());
  let seen: boolean | undefined;
  const end = waitForDeath(identity, watching.signal).then((hasDied) => {
    seen = hasDied;
    return hasDied;
  });
  return { end, seen: () => seen, stop: () => watching.abort() };
}

/** Long enough for the first meeting, and for several attempts to meet again. */
const aWhile = () => sleep(600);

/** A network in between: while it is shut, it accepts connections and closes them. */
async function aGate({ onTestFinished }: TestContext, to: number) {
  const sockets = new Set<Socket>();
  let isOpen = true;
  const server = createServer((client) => {
    if (!isOpen) return void client.destroy();
    const process = connect(to, host);
    client.pipe(process).pipe(client);
    process.once('close', () => client.destroy());
    for (const socket of [client, process]) {
      sockets.add(socket);
      socket.on('error', () => undefined); // its 'close' follows
    }
  });
  await once(server.listen(0, host), 'listening');
  const shut = () => {
    isOpen = false;
    for (const socket of sockets) socket.destroy();
  };
  onTestFinished(() => {
    shut();
    server.close();
  });
  const open = () => {
    isOpen = true;
  };
  return { port: (server.address() as { port: number }).port, shut, open };
}

test.concurrent('a killed process is dead; a hanging one is not', async (context) => {
  const { expect } = context;
  const { child, identity } = await aProcess(context);
  const watched = watch(context, identity);
  await aWhile();
  child.kill('SIGSTOP');
  await aWhile();
  expect(watched.seen()).toBeUndefined();
  child.kill('SIGKILL');
  expect(await watched.end).toBe(true);
});

test.concurrent('a process that was started at the address of another is another one', async (context) => {
  const { expect } = context;
  const { child, identity } = await aProcess(context);
  const watched = watch(context, identity);
  await aWhile();
  child.kill('SIGKILL');
  await once(child, 'exit');
  const next = await aProcess(context, identity.port);
  expect(next.identity.name).not.toBe(identity.name);
  expect(await watched.end).toBe(true);
});

test.concurrent('a process whose connections break, or that is unreachable for a moment, is not dead', async (context) => {
  const { expect } = context;
  const { child, identity } = await aProcess(context);
  const gate = await aGate(context, identity.port);
  const watched = watch(context, { ...identity, port: gate.port });
  await aWhile();
  gate.shut();
  await sleep(500);
  gate.open();
  await aWhile();
  expect(watched.seen()).toBeUndefined();
  child.kill('SIGKILL');
  // The gate still takes connections: nothing tells this from one that is shut.
  expect(await watched.end).toBe(false);
});

test.concurrent('a refusal before the first contact is not a death', async (context) => {
  const { expect } = context;
  const { child, identity } = await aProcess(context);
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect(await watch(context, identity).end).toBe(false);
});

test.concurrent('another name before the first contact is not a death', async (context) => {
  const { expect } = context;
  const { identity } = await aProcess(context);
  expect(await watch(context, { ...identity, name: 'another' }).end).toBe(false);
});

test.concurrent('a stopped watch resolves at once', async (context) => {
  const { expect } = context;
  const { identity } = await aProcess(context);
  const watched = watch(context, identity);
  await aWhile();
  watched.stop();
  expect(await watched.end).toBe(false);
});
