import { expect, test } from 'vitest';
import { Batcher } from '../../../src/bridge/batcher.ts';
import type { ReceivedWebhook } from '../../../src/bridge/raw-record.ts';
import type { StoredWebhook } from '../../../src/bridge/webhook-store.ts';
import type { Stored } from '../../../src/kafka/writer.ts';

/** The key stands for the webhook: it is its signature. */
const record = (key: string, bytes = 10): ReceivedWebhook => ({
  verified: { body: Buffer.alloc(bytes), signature: key, secretName: 'main' },
  receipt: { source: 'voucherify', contentType: undefined, receivedAtMs: 0 },
});
const isNotAbandoned = () => false;

const add = (batcher: Batcher, webhook: ReceivedWebhook, isAbandoned: () => boolean) =>
  new Promise<StoredWebhook>((stored, failed) => {
    batcher.add({ webhook, isAbandoned, stored, failed });
  });

/** A topic whose writes complete when the test says so. */
function aTopic() {
  const writes: { keys: string[]; complete: (result: readonly Stored[] | Error) => void }[] = [];
  const write = (webhooks: readonly ReceivedWebhook[]) =>
    new Promise<readonly Stored[]>((resolve, reject) => {
      const complete = (result: readonly Stored[] | Error) =>
        result instanceof Error ? reject(result) : resolve(result);
      writes.push({ keys: webhooks.map(({ verified }) => verified.signature), complete });
    });
  return { writes, write };
}

/** Waits for at least as many turns of the event loop as the batcher waits for more. */
const turns = async () => {
  for (let i = 0; i < 4; i += 1) await new Promise((resolve) => setImmediate(resolve));
};
const positions = (count: number): readonly Stored[] =>
  Array.from({ length: count }, (_, offset) => ({ kind: 'stored', partition: 0, offset }));

test('with nothing in flight a webhook is sent at once; otherwise it waits with the others', async () => {
  const { writes, write } = aTopic();
  const batcher = new Batcher(write, { maxRecords: 10, maxBytes: 1_000 });
  const first = add(batcher, record('a'), isNotAbandoned);
  await turns();
  const later = [
    add(batcher, record('b'), isNotAbandoned),
    add(batcher, record('c'), isNotAbandoned),
  ];
  await turns();
  expect(writes.map(({ keys }) => keys)).toEqual([['a']]);
  writes[0]?.complete(positions(1));
  expect(await first).toEqual(positions(1)[0]);
  await turns();
  expect(writes[1]?.keys).toEqual(['b', 'c']);
  writes[1]?.complete(positions(2));
  expect(await Promise.all(later)).toEqual(positions(2));
});

test('a request keeps to its limits of records and bytes, but holds at least one record', async () => {
  const { writes, write } = aTopic();
  const batcher = new Batcher(write, { maxRecords: 3, maxBytes: 25 });
  for (const [key, bytes] of [
    ['a', 10],
    ['b', 10],
    ['c', 10],
    ['huge', 100],
    ['d', 1],
    ['e', 1],
    ['f', 1],
    ['g', 1],
  ] as const) {
    void add(batcher, record(key, bytes), isNotAbandoned);
  }
  for (let i = 0; i < 5; i += 1) {
    await turns();
    writes[i]?.complete(positions(3));
  }
  expect(writes.map(({ keys }) => keys)).toEqual([
    ['a', 'b'],
    ['c'],
    ['huge'],
    ['d', 'e', 'f'],
    ['g'],
  ]);
});

test('webhooks that arrive in consecutive turns of the event loop share a request', async () => {
  const { writes, write } = aTopic();
  const batcher = new Batcher(write, { maxRecords: 3, maxBytes: 1_000 });
  // One in each turn of the event loop, before the batcher looks.
  const arrive = ([key = '', ...rest]: readonly string[]) => {
    if (rest.length > 0) setImmediate(() => arrive(rest));
    void add(batcher, record(key), isNotAbandoned);
  };
  arrive(['a', 'b', 'c', 'd']);
  await turns();
  expect(writes.map(({ keys }) => keys)).toEqual([['a', 'b', 'c']]);
  writes[0]?.complete(positions(3));
});

test('a failed write fails its own webhooks only', async () => {
  const { writes, write } = aTopic();
  const batcher = new Batcher(write, { maxRecords: 1, maxBytes: 1_000 });
  const lost = add(batcher, record('a'), isNotAbandoned);
  const next = add(batcher, record('b'), isNotAbandoned);
  await turns();
  writes[0]?.complete(new Error('Kafka is unreachable'));
  await expect(lost).rejects.toThrow('Kafka is unreachable');
  await turns();
  writes[1]?.complete(positions(1));
  expect(await next).toEqual(positions(1)[0]);
});

test('an abandoned webhook is not written', async () => {
  const { writes, write } = aTopic();
  const batcher = new Batcher(write, { maxRecords: 10, maxBytes: 1_000 });
  void add(batcher, record('a'), isNotAbandoned);
  await turns();
  const abandoned = add(batcher, record('b'), () => true);
  void add(batcher, record('c'), isNotAbandoned);
  writes[0]?.complete(positions(1));
  await expect(abandoned).rejects.toThrow('abandoned');
  await turns();
  expect(writes[1]?.keys).toEqual(['c']);
});

test('drain waits for everything that was added', async () => {
  const { writes, write } = aTopic();
  const batcher = new Batcher(write, { maxRecords: 1, maxBytes: 1_000 });
  void add(batcher, record('a'), isNotAbandoned);
  void add(batcher, record('b'), isNotAbandoned);
  let isDrained = false;
  const drained = batcher.drain().then(() => {
    isDrained = true;
  });
  await turns();
  writes[0]?.complete(positions(1));
  await turns();
  expect(isDrained).toBe(false);
  writes[1]?.complete(positions(1));
  await drained;
});
