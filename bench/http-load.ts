/**
 * A closed loop of signed webhooks over keep-alive connections, in a process of its own so that its
 * CPU is not the bridge's. It parses as little of the responses as it can. `node bench/http-load.ts
 * URL SECRET CONNECTIONS SECONDS` prints one line of JSON.
 */

import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { sampleWebhook } from '../src/voucherify/sample.ts';
import { signedHeaders } from '../src/voucherify/signature.ts';

export type LoadResult = {
  readonly ok: number;
  readonly others: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
};

const [url = '', secret = '', connections = '64', seconds = '10'] = process.argv.slice(2);
const { hostname, port, pathname } = new URL(url);

const requests = Array.from({ length: 2_000 }, () => {
  const body = Buffer.from(JSON.stringify(sampleWebhook()));
  const headers = { host: 'bench', ...signedHeaders(body, secret), 'content-length': body.length };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.concat([Buffer.from(`POST ${pathname} HTTP/1.1\r\n${lines.join('')}\r\n`), body]);
});

const latencies: number[] = [];
let ok = 0;
let others = 0;
let next = 0;
let isOver = false;

/**
 * One request after the other: a response ends where its head, and the body that it announces,
 * are.
 */
function loop(): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname);
    socket.setNoDelay(true);
    let sentAt = 0;
    let received = '';
    const send = () => {
      sentAt = performance.now();
      socket.write(requests[next++ % requests.length] as Buffer);
    };
    socket.on('connect', send);
    socket.on('error', reject);
    socket.on('data', (bytes) => {
      received += bytes.toString('latin1');
      const end = received.indexOf('\r\n\r\n');
      if (end < 0) return;
      const length = Number(/content-length: (\d+)/i.exec(received)?.[1] ?? 0);
      if (received.length < end + 4 + length) return;
      latencies.push(performance.now() - sentAt);
      if (received.startsWith('HTTP/1.1 2')) ok += 1;
      else others += 1;
      received = '';
      if (!isOver) return send();
      socket.destroy();
      resolve();
    });
  });
}

const startedAt = performance.now();
const loops = Array.from({ length: Number(connections) }, loop);
await sleep(Number(seconds) * 1_000);
isOver = true;
await Promise.all(loops);
const took = (performance.now() - startedAt) / 1_000;
latencies.sort((a, b) => a - b);
const at = (share: number) => latencies[Math.floor(latencies.length * share)] ?? Number.NaN;
const result: LoadResult = {
  ok,
  others,
  perSecond: (ok + others) / took,
  p50Ms: at(0.5),
  p99Ms: at(0.99),
};
process.stdout.write(`${JSON.stringify(result)}\n`);
