import { expect, test } from 'vitest';
import { Batcher } from '../../../src/bridge/batcher.ts';
import type { ReceivedWebhook } from '../../../src/bridge/raw-record.ts';
import type { Kept } from '../../../src/bridge/webhook-store.ts';
import type { Stored } from '../../../src/kafka/writer.ts';

/** The key stands for the webhook: it is its signature. */
const record = (key: string, bytes = 10): ReceivedWebhook => ({
  verified: { body: Buffer.alloc(bytes), signature: key, secretName: 'main' },
  receipt: { source: 'voucherify', contentType: undefined, receivedAtMs: 0 },
});
const waited = () => false;

const add = (batcher: Batcher, webhook: ReceivedWebhook, isAbandoned: () => boolean) =>
  new Promise<Kept>((kept, failed) => {
    batcher.add({ webhook, isAbandoned, kept, failed });
  });

/** A topic whose writes are answered by hand. */
function aTopic() {
  const writes: { keys: string[]; answer: (result: readonly Stored[] | Error) => void }[] = [];
  const write = (webhooks: readonly ReceivedWebhook[]) =>
    new Promise<readonly Stored[]>((resolve, reject) => {
      const answer = (result: readonly Stored[] | Error) =>
        result instanceof Error ? reject(result) : resolve(result);
      writes.push({ keys: webhooks.map(({ verified }) => verified.signature), answer });
    });
  return { writes, write };
}

/** As long as the batcher waits at most for more. */
const turn = async () => {
  for (let i = 0; i < 4; i += 1) await new Promise((resolve) => setImmediate(resolve));
};
const places = (count: number) =>
  Array.from({ length: count }, (_, offset) => ({ partition: 0, offset }));

test('with nothing in flight a webhook goes at once; while one is in flight, the others collect', async () => {
  const { writes, write } = aTopic();
  const batcher = new Batcher(write, { maxRecords: 10, maxBytes: 1_000 });
  const first = add(batcher, record('a'), waited);
  await turn();
  const later = [add(batcher, record('b'), waited), add(batcher, record('c'), waited)];
  await turn();
  expect(writes.map(({ keys }) => keys)).toEqual([['a']]);
  writes[0]?.answer(places(1));
  expect(await first).toEqual({ partition: 0, offset: 0 });
  await turn();
  expect(writes[1]?.keys).toEqual(['b', 'c']);
  writes[1]?.answer(places(2));
  expect(await Promise.all(later)).toEqual(places(2));
});

test('a request holds no more records and bytes than allowed, but always one', async () => {
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
    void add(batcher, record(key, bytes), waited);
  }
  for (let i = 0; i < 5; i += 1) {
    await turn();
    writes[i]?.answer(places(3));
  }
  expect(writes.map(({ keys }) => keys)).toEqual([
    ['a', 'b'],
    ['c'],
    ['huge'],
    ['d', 'e', 'f'],
    ['g'],
  ]);
});

test('those that come at once go together', async () => {
  const { writes, write } = aTopic();
  const batcher = new Batcher(write, { maxRecords: 3, maxBytes: 1_000 });
  // One in each turn of the event loop, before the batcher looks.
  const arrive = ([key = '', ...rest]: readonly string[]) => {
    if (rest.length > 0) setImmediate(() => arrive(rest));
    void add(batcher, record(key), waited);
  };
  arrive(['a', 'b', 'c', 'd']);
  await turn();
  expect(writes.map(({ keys }) => keys)).toEqual([['a', 'b', 'c']]);
  writes[0]?.answer(places(3));
});

test('a failed write fails its own webhooks, and the next ones go on', async () => {
  const { writes, write } = aTopic();
  const batcher = new Batcher(write, { maxRecords: 1, maxBytes: 1_000 });
  const lost = add(batcher, record('a'), waited);
  const kept = add(batcher, record('b'), waited);
  await turn();
  writes[0]?.answer(new Error('Kafka is away'));
  await expect(lost).rejects.toThrow('Kafka is away');
  await turn();
  writes[1]?.answer(places(1));
  expect(await kept).toEqual({ partition: 0, offset: 0 });
});

test('what nobody waits for any more is not written', async () => {
  const { writes, write } = aTopic();
  const batcher = new Batcher(write, { maxRecords: 10, maxBytes: 1_000 });
  void add(batcher, record('a'), waited);
  await turn();
  const abandoned = add(batcher, record('b'), () => true);
  void add(batcher, record('c'), waited);
  writes[0]?.answer(places(1));
  await expect(abandoned).rejects.toThrow('abandoned');
  await turn();
  expect(writes[1]?.keys).toEqual(['c']);
});

test('drain waits for everything that was added', async () => {
  const { writes, write } = aTopic();
  const batcher = new Batcher(write, { maxRecords: 1, maxBytes: 1_000 });
  void add(batcher, record('a'), waited);
  void add(batcher, record('b'), waited);
  let isDrained = false;
  const drained = batcher.drain().then(() => {
    isDrained = true;
  });
  await turn();
  writes[0]?.answer(places(1));
  await turn();
  expect(isDrained).toBe(false);
  writes[1]?.answer(places(1));
  await drained;
});
