import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { afterEach, expect, test } from 'vitest';
import { readThroughOneBuffer } from '../../../../src/bridge/fast-path/one-buffer.ts';

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

/** Both ends of so many connections, the server's as its 'connection' event gives them. */
async function connections(count: number): Promise<{ here: Socket; there: Socket }[]> {
  const server = createServer({ allowHalfOpen: true });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  closers.push(() => server.close());
  const pairs: { here: Socket; there: Socket }[] = [];
  for (let i = 0; i < count; i += 1) {
    const accepted = new Promise<Socket>((resolve) => void server.once('connection', resolve));
    const there = connect(port, '127.0.0.1').setNoDelay(true);
    const here = await accepted;
    closers.push(
      () => here.destroy(),
      () => there.destroy(),
    );
    pairs.push({ here, there });
  }
  return pairs;
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await sleep(1);
}

test('each connection has what was sent on it, however others come in between', async () => {
  const pairs = await connections(3);
  const chunks = pairs.map(({ here }) => {
    const received: Buffer[] = [];
    readThroughOneBuffer(here, (chunk) => received.push(chunk));
    return received;
  });
  const sent = pairs.map(() => [] as Uint8Array[]);
  const piece = fc.oneof(
    fc.uint8Array({ minLength: 1, maxLength: 6_000, size: 'max' }),
    fc.uint8Array({ minLength: 9_000, maxLength: 70_000, size: 'max' }),
  );
  const lengthOf = (pieces: readonly Uint8Array[]) =>
    pieces.reduce((sum, { length }) => sum + length, 0);
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(fc.nat(2), piece), { maxLength: 12 }), async (writes) => {
      for (const [at, bytes] of writes) {
        sent[at]?.push(bytes);
        pairs[at]?.there.write(bytes);
      }
      await until(() => chunks.every((one, i) => lengthOf(one) === lengthOf(sent[i] ?? [])));
      // All that was ever received, not only the last of it.
      chunks.forEach((one, i) => {
        expect(Buffer.concat(one).equals(Buffer.concat(sent[i] ?? []))).toBe(true);
      });
    }),
    { numRuns: 40 },
  );
});

test('with this version of Node it is so: short ones share a piece of memory', async () => {
  const [pair] = await connections(1);
  const chunks: Buffer[] = [];
  if (pair) readThroughOneBuffer(pair.here, (chunk) => chunks.push(chunk));
  for (const text of ['one', 'other']) {
    const before = chunks.length;
    pair?.there.write(text);
    await until(() => chunks.length > before);
  }
  expect(chunks.map(String)).toEqual(['one', 'other']);
  expect(chunks[0]?.buffer).toBe(chunks[1]?.buffer);
});

test('who takes may pause the connection, and its end is told', async () => {
  const [pair] = await connections(1);
  const taken: string[] = [];
  let hasEnded = false;
  pair?.here.on('end', () => {
    hasEnded = true;
  });
  if (pair) {
    readThroughOneBuffer(pair.here, (chunk) => {
      taken.push(String(chunk));
      pair.here.pause();
    });
  }
  for (const text of ['one', 'other']) {
    pair?.there.write(text);
    await sleep(20);
    expect(taken.at(-1)).toBe('one');
  }
  pair?.there.end();
  pair?.here.resume();
  await until(() => taken.length === 2);
  expect(hasEnded).toBe(false);
  pair?.here.resume();
  await until(() => hasEnded);
  expect(taken).toEqual(['one', 'other']);
});

test('stopped, it is a socket like any other, which holds up who sends more than is read', async () => {
  const [pair] = await connections(1);
  if (!pair) return;
  const { here, there } = pair;
  const taken: Buffer[] = [];
  const stop = readThroughOneBuffer(here, (chunk) => taken.push(chunk));
  there.write('one');
  await until(() => taken.length === 1);
  here.pause();
  stop();
  const large = Buffer.alloc(20e6, 'x');
  there.write(large);
  await sleep(100);
  expect(there.writableLength).toBeGreaterThan(0);
  let received = 0;
  here.on('data', (chunk) => {
    received += chunk.length;
  });
  here.resume();
  await until(() => received === large.length);
  expect(taken.map(String)).toEqual(['one']);
});

test('what keeps nothing where it is looked for is read by its events', () => {
  const stream = new PassThrough();
  const taken: string[] = [];
  const stop = readThroughOneBuffer(stream as unknown as Socket, (chunk) =>
    taken.push(String(chunk)),
  );
  stream.emit('data', Buffer.from('one'));
  stop();
  stream.emit('data', Buffer.from('other'));
  expect(taken).toEqual(['one']);
});
