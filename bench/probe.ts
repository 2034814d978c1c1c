/**
 * Writes raw events at an even rate and watches the output topics, in a process of its own: when
 * was each written, when could a reader of committed records see it? `node bench/probe.ts PREFIX
 * RATE SECONDS WARM_SECONDS` prints one line of JSON; events of the warm-up do not count.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { createEncoder } from '../src/avro/encoder.ts';
import type { RawWebhook } from '../src/avro/records.ts';
import { schemas } from '../src/avro/schemas.ts';
import { Writer } from '../src/kafka/writer.ts';
import { sampleWebhook } from '../src/voucherify/sample.ts';
import { prepared } from '../test/support/prepared.ts';
import { rawOf } from './fill.ts';

export type ProbeResult = {
  readonly sent: number;
  readonly seen: number;
  readonly repeats: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
};

/** Longer than any silence that is expected. */
const drainMs = 90_000;

const [prefix = '', rate = '100', seconds = '20', warmSeconds = '5'] = process.argv.slice(2);
const { catalog, client, schemaId, admin } = await prepared({
  ...process.env,
  TOPIC_PREFIX: prefix,
});
const run = Date.now().toString(36);
const sentAt = new Map<string, number>();
const latencies = new Map<string, number>();
let repeats = 0;

const consumer = client.consumer({ groupId: `${prefix}.probe.${run}`, maxWaitTimeInMs: 1_000 });
await consumer.connect();
await consumer.subscribe({ topics: Object.values(catalog.publications) });
const joined = new Promise((resolve) => consumer.on(consumer.events.GROUP_JOIN, resolve));
await consumer.run({
  autoCommit: false,
  eachBatchAutoResolve: true,
  partitionsConsumedConcurrently: 8,
  eachBatch: async ({ batch }) => {
    const now = performance.now();
    for (const { key } of batch.messages) {
      const id = String(key);
      const at = sentAt.get(id);
      if (at === undefined) continue;
      if (latencies.has(id)) repeats += 1;
      else latencies.set(id, now - at);
    }
  },
});
await joined;
await sleep(1_000);

const writer = await Writer.open(client, catalog.raw);
const encode = createEncoder<RawWebhook>(schemas.RawWebhook.type, schemaId(catalog.raw));
const total = Number(rate) * (Number(seconds) + Number(warmSeconds));
const warm = Number(rate) * Number(warmSeconds);
const startedAt = performance.now();
process.stdout.write('{"started":true}\n');
const writes: Promise<unknown>[] = [];
for (let i = 0; i < total; i += 1) {
  const dueAt = startedAt + (i * 1_000) / Number(rate);
  const earlyMs = dueAt - performance.now();
  if (earlyMs > 0) await sleep(earlyMs);
  const publicationId = `pub_${run}_${i}`;
  const record = rawOf(sampleWebhook({ publicationId }), encode);
  sentAt.set(publicationId, performance.now());
  writes.push(writer.write([record], 30_000));
}
await Promise.all(writes);
for (const deadline = performance.now() + drainMs; latencies.size < total; await sleep(50)) {
  if (performance.now() > deadline) break;
}
// A repeat would come late.
await sleep(500);
const counted = [...latencies]
  .filter(([id]) => Number(id.split('_').at(-1)) >= warm)
  .map(([, ms]) => ms)
  .sort((a, b) => a - b);
const at = (share: number) => counted[Math.floor(counted.length * share)] ?? Number.NaN;
const result: ProbeResult = {
  sent: total,
  seen: latencies.size,
  repeats,
  p50Ms: at(0.5),
  p99Ms: at(0.99),
  maxMs: counted.at(-1) ?? Number.NaN,
};
await Promise.all([consumer.disconnect(), writer.close(), admin.close()]);
process.stdout.write(`${JSON.stringify(result)}\n`);
process.exit(0);
