/** A look-up of 100 ms for every event: how near one processor comes to concurrency ÷ 100 ms. */

import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { createEncoder } from '../src/avro/encoder.ts';
import type { RawWebhook } from '../src/avro/records.ts';
import { schemas } from '../src/avro/schemas.ts';
import { Writer } from '../src/kafka/writer.ts';
import { sampleWebhook } from '../src/voucherify/sample.ts';
import { credentials, startVendorApi } from '../test/support/vendor-api.ts';
import { rawOf } from './fill.ts';
import { startProcess, stopProcess } from './process.ts';
import type { Measure, Race, Values } from './race.ts';
import { prepare, type Setting, say } from './setting.ts';

const partitions = 6;
const delayMs = 100;
/** Seconds at the ideal rate. */
const seconds = 12;

const measures = {
  at10: { label: 'look-ups per second, LOOKUP_CONCURRENCY 10', digits: 0, better: 'more' },
  at50: { label: 'look-ups per second, LOOKUP_CONCURRENCY 50', digits: 0, better: 'more' },
  at200: { label: 'look-ups per second, LOOKUP_CONCURRENCY 200', digits: 0, better: 'more' },
} as const satisfies Record<string, Measure>;

type Run = Values<keyof typeof measures>;

export async function benchLookups(): Promise<Race> {
  const ours: Partial<Run>[] = [{}];
  const ideals: Partial<Run>[] = [{}];
  for (const [key, concurrency] of [
    ['at10', 10],
    ['at50', 50],
    ['at200', 200],
  ] as const) {
    await using vendor = await startVendorApi();
    vendor.behaviour.delayMs = delayMs;
    const setting = await prepare(`lookups-${Date.now().toString(36)}`, partitions);
    const ideal = (concurrency * 1_000) / delayMs;
    await fillWithStubs(setting, ideal * seconds);
    const child = startProcess(
      process.execPath,
      [fileURLToPath(new URL('../src/main.ts', import.meta.url)), 'processor'],
      {
        ...setting.env,
        CONSUMER_GROUP: setting.catalog.raw,
        ADMIN_PORT: '0',
        LOG_LEVEL: 'warn',
        VOUCHERIFY_API_URL: vendor.url,
        VOUCHERIFY_APP_ID: credentials.appId,
        VOUCHERIFY_APP_TOKEN: credentials.appToken,
        LOOKUP_CONCURRENCY: String(concurrency),
        PROCESSOR_WORKERS: '1',
      },
    );
    while (vendor.asked.length < ideal) await sleep(20);
    const [from, startedAt] = [vendor.asked.length, performance.now()];
    await sleep((seconds / 2) * 1_000);
    const perSecond = (vendor.asked.length - from) / ((performance.now() - startedAt) / 1_000);
    await stopProcess(child);
    await setting.admin.close();
    say(`${concurrency} at once: ${Math.round(perSecond)} per second`);
    ours[0] = { ...ours[0], [key]: perSecond };
    ideals[0] = { ...ideals[0], [key]: ideal };
  }
  return {
    title: `A look-up of ${delayMs} ms for every event, ${partitions} partitions, one processor with one worker, beside the ideal, concurrency ÷ ${delayMs} ms`,
    contestants: ['voucherbus', 'ideal'],
    measures,
    runs: { voucherbus: ours as Run[], ideal: ideals as Run[] },
  };
}

/** Every event with a campaign of its own that is only a stub. */
async function fillWithStubs({ client, catalog, schemaId }: Setting, count: number): Promise<void> {
  const writer = await Writer.open(client, catalog.raw);
  const encode = createEncoder<RawWebhook>(schemas.RawWebhook.type, schemaId(catalog.raw));
  for (let from = 0; from < count; from += 200) {
    const records = Array.from({ length: 200 }, (_, i) => {
      const webhook = sampleWebhook() as { data: object };
      const campaign = { id: `camp_${from + i}`, name: 'stub', object: 'campaign' };
      return rawOf({ ...webhook, data: { ...webhook.data, campaign } }, encode);
    });
    await writer.write(records, 30_000);
  }
  await writer.close();
}
