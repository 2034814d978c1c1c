/**
 * The bridge's memory stays bounded, and webhooks are still taken, under thousands of connections
 * that mean it no good, and while Kafka takes nothing.
 */

import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { aBody } from '../support/builders.ts';
import { aDeployment, metric } from '../support/deployment.ts';
import { startProxy } from '../support/proxy.ts';
import { post } from '../support/webhooks.ts';

/** The bound with the default settings, under any load. */
const boundBytes = 512 * 1024 * 1024;

const mebibyte = Buffer.alloc(1024 * 1024, 'x');

test('5,000 connections that trickle, hold large bodies or send nothing: memory stays bounded, and webhooks are accepted', async () => {
  await using deployment = await aDeployment(1);
  const { url, admin, child } = await deployment.start('bridge');
  const { port, hostname } = new URL(url);
  const sockets: Socket[] = [];
  const open = (begin: (socket: Socket) => void) => {
    const socket = connect(Number(port), hostname, () => begin(socket));
    socket.on('error', () => undefined); // the bridge may close it: that is its right
    socket.on('data', () => undefined);
    sockets.push(socket);
  };
  const head = 'POST /webhooks/voucherify HTTP/1.1\r\nhost: x\r\n';
  const announced = `${head}content-length: ${mebibyte.length}\r\n\r\n`;
  const trickle = (first: Buffer | string) => (socket: Socket) => {
    socket.write(first);
    const timer = setInterval(() => socket.write('x'), 1_000);
    socket.once('close', () => clearInterval(timer));
  };
  for (let i = 0; i < 1_000; i += 1) open(() => undefined);
  for (let i = 0; i < 2_000; i += 1) open(trickle(announced));
  for (let i = 0; i < 1_000; i += 1) open(trickle(head));
  // A gigabyte, were it kept.
  for (let i = 0; i < 1_000; i += 1) {
    open(trickle(Buffer.concat([Buffer.from(announced), mebibyte.subarray(1_000)])));
  }
  let peak = 0;
  const statuses: number[] = [];
  for (let seconds = 0; seconds < 12; seconds += 1) {
    statuses.push((await post(url, aBody())).status);
    peak = Math.max(peak, await metric(admin, 'process_resident_memory_bytes'));
    await sleep(1_000);
  }
  console.error(`· largest RSS ${Math.round(peak / 1024 ** 2)} MiB`);
  expect(statuses.filter((status) => status !== 202)).toEqual([]);
  expect(peak).toBeLessThan(boundBytes);
  for (const socket of sockets) socket.destroy();
  child.kill('SIGTERM');
  expect(await child.exited).toBe(0);
});

test('while Kafka accepts nothing, webhooks wait within the bound, and the others are refused at once', async () => {
  await using deployment = await aDeployment(1);
  const [host = '', kafkaPort = ''] = (process.env['KAFKA_BROKERS'] ?? '').split(':');
  const proxy = await startProxy({ host, port: Number(kafkaPort) }, { isKafka: true });
  const { url, admin } = await deployment.start('bridge', {
    NODE_OPTIONS: `--import=${new URL('../support/redirect.ts', import.meta.url).href}`,
    REDIRECT: `${kafkaPort}:${proxy.port}`,
    RESPONSE_TIMEOUT: '4s',
  });
  await proxy[Symbol.asyncDispose]();
  const body = mebibyte.subarray(1_000);
  const answers: { status: number; type: unknown; ms: number }[] = [];
  let peak = 0;
  for (let rounds = 0; rounds < 4; rounds += 1) {
    const posts = Array.from({ length: 200 }, async () => {
      const startedAt = performance.now();
      const answer = await post(url, body);
      const ms = performance.now() - startedAt;
      answers.push({ status: answer.status, type: answer.body['type'], ms });
    });
    await Promise.race([Promise.all(posts), sleep(1_000)]);
    peak = Math.max(peak, await metric(admin, 'process_resident_memory_bytes'));
    await Promise.all(posts);
  }
  console.error(`· largest RSS ${Math.round(peak / 1024 ** 2)} MiB`);
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([503]));
  expect(new Set(answers.map(({ type }) => type))).toEqual(
    new Set(['urn:voucherbus:problem:too-many-in-flight', 'urn:voucherbus:problem:not-stored']),
  );
  expect(Math.max(...answers.map(({ ms }) => ms))).toBeLessThan(8_000);
  expect(peak).toBeLessThan(boundBytes);
});
