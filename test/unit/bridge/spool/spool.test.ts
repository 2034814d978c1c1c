/** The spool on a real disk: what was appended comes back, whatever happened in between. */

import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmod,
  chown,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { ReceivedWebhook } from '../../../../src/bridge/raw-record.ts';
import { decodeFrames, encodeFrame } from '../../../../src/bridge/spool/frames.ts';
import { takeLock } from '../../../../src/bridge/spool/lock.ts';
import { Spool } from '../../../../src/bridge/spool/spool.ts';
import { SpoolingStore, type Write } from '../../../../src/bridge/webhook-store.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'voucherbus-spool-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const aWebhook = (body: string | Buffer, receivedAtMs = 1_000): ReceivedWebhook => ({
  verified: { body: Buffer.from(body), signature: 'ab', secretName: 'main' },
  receipt: { source: 'voucherify', contentType: 'application/json', receivedAtMs },
});
const textOf = ({ verified }: ReceivedWebhook) => verified.body.toString();

const openSpool = (limits: { maxBytes?: number; segmentBytes?: number } = {}) =>
  Spool.open({ directory, maxBytes: 1e9, segmentBytes: 1e6, ...limits });

const drained = async (spool: Spool): Promise<readonly string[]> => {
  const texts: string[] = [];
  while (!spool.isEmpty) {
    await spool.drainOldest(async (webhooks) => void texts.push(...webhooks.map(textOf)));
  }
  return texts;
};

test('any webhook comes back from its frame as it was, byte for byte', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 8 }), (bodies) => {
      const webhooks = bodies.map((body, i) => aWebhook(Buffer.from(body), i));
      const { webhooks: found, damaged } = decodeFrames(Buffer.concat(webhooks.map(encodeFrame)));
      expect(found).toEqual(webhooks);
      expect(damaged).toBe(0);
    }),
  );
});

test('wherever the last write was torn, everything before it comes back and nothing of it', () => {
  const whole = encodeFrame(aWebhook('first'));
  const torn = encodeFrame(aWebhook('second'));
  for (let length = 0; length < torn.length; length += 1) {
    const found = decodeFrames(Buffer.concat([whole, torn.subarray(0, length)]));
    expect(found.webhooks.map(textOf)).toEqual(['first']);
    expect(found.goodBytes).toBe(whole.length);
  }
});

test('what was appended comes back in order, over several segments, and is gone after it was sent', async () => {
  const spool = await openSpool({ segmentBytes: 300 });
  const texts = Array.from({ length: 20 }, (_, i) => `body ${i}`);
  for (const text of texts) await spool.append([aWebhook(text)]);
  expect(
    (await readdir(directory)).filter((name) => name.endsWith('.segment')).length,
  ).toBeGreaterThan(3);
  expect(spool.state).toMatchObject({ webhooks: 20, damaged: 0 });
  expect(await drained(spool)).toEqual(texts);
  expect((await readdir(directory)).filter((name) => !name.startsWith('lock'))).toEqual([]);
  await spool.close();
});

test('the next bridge finds a spool that was left, also with a torn last write', async () => {
  const first = await openSpool();
  await first.append([aWebhook('a', 5), aWebhook('b')]);
  await first.append([aWebhook('c')]);
  await first.close();
  const [name = ''] = (await readdir(directory)).filter((one) => one.endsWith('.segment'));
  await truncate(join(directory, name), (await stat(join(directory, name))).size - 3);
  const second = await openSpool();
  expect(second.state).toMatchObject({ webhooks: 2, oldestMs: 5 });
  await second.append([aWebhook('d')]);
  expect(await drained(second)).toEqual(['a', 'b', 'd']);
  await second.close();
});

test('a damaged frame is skipped, the rest is sent, and its file is kept', async () => {
  const spool = await openSpool();
  await spool.append([aWebhook('good 1'), aWebhook('to be damaged'), aWebhook('good 2')]);
  const [name = ''] = (await readdir(directory)).filter((one) => one.endsWith('.segment'));
  const bytes = await readFile(join(directory, name));
  bytes.write('X', bytes.indexOf('to be damaged'));
  await writeFile(join(directory, name), bytes);
  await spool.append([aWebhook('later')]);
  expect(await drained(spool)).toEqual(['good 1', 'good 2', 'later']);
  expect(spool.state.damaged).toBe(1);
  expect((await readdir(directory)).some((one) => one.endsWith('.damaged'))).toBe(true);
  await spool.close();
});

test('what Kafka does not take stays, and comes again', async () => {
  const spool = await openSpool();
  await spool.append([aWebhook('a')]);
  const refuse = () => Promise.reject(new Error('away'));
  await expect(spool.drainOldest(refuse)).rejects.toThrow('away');
  await spool.append([aWebhook('b')]);
  expect(await drained(spool)).toEqual(['a', 'b']);
  await spool.close();
});

test('the trace of a webhook comes back with it', () => {
  const { verified, receipt } = aWebhook('{}');
  const webhook = { verified, receipt: { ...receipt, trace: { traceparent: '00-a-b-01' } } };
  expect(decodeFrames(encodeFrame(webhook)).webhooks).toEqual([webhook]);
});

test('a full spool refuses, says by how much, and accepts again when there is room', async () => {
  const spool = await openSpool({ maxBytes: 400 });
  await spool.append([aWebhook('x'.repeat(200))]);
  await expect(spool.append([aWebhook('y'.repeat(200))])).rejects.toThrow(
    /exceed SPOOL_MAX_BYTES \(400\)/,
  );
  await drained(spool);
  await spool.append([aWebhook('y'.repeat(200))]);
  await spool.close();
});

test('a second bridge in the same directory is refused, and one after a crash is not', async () => {
  const spool = await openSpool();
  await expect(openSpool()).rejects.toThrow('another bridge uses SPOOL_DIR');
  await spool.close();
  // As kill -9 leaves it: the socket's file without its owner.
  const file = await open(join(directory, 'lock'), 'w');
  await file.close();
  const next = await openSpool();
  await next.close();
});

test('a directory that cannot be written is an error that names it', async () => {
  const file = join(directory, 'a file');
  await writeFile(file, '');
  const options = { directory: join(file, 'spool'), maxBytes: 1e9, segmentBytes: 1e6 };
  await expect(Spool.open(options)).rejects.toThrow(/cannot use SPOOL_DIR .*a file/);
});

test('a file that cannot be read is reported and kept, and the others are sent', async () => {
  const spool = await openSpool({ segmentBytes: 1 });
  for (const text of ['a', 'b', 'c']) await spool.append([aWebhook(text)]);
  await spool.close();
  // Not even root can read a directory in its place.
  await rm(join(directory, '000000000002.segment'));
  await mkdir(join(directory, '000000000002.segment'));
  const next = await openSpool({ segmentBytes: 1 });
  const texts: string[] = [];
  const errors: unknown[] = [];
  while (!next.isEmpty) {
    await next
      .drainOldest(async (webhooks) => void texts.push(...webhooks.map(textOf)))
      .catch((error) => errors.push(error));
  }
  expect(texts).toEqual(['a', 'c']);
  expect(errors.map(String)).toEqual([
    expect.stringMatching(/cannot read .*000000000002.segment, which stays there/),
  ]);
  expect(next.state.damaged).toBe(1);
  expect(await readdir(directory)).toContain('000000000002.segment');
  await next.close();
});

/** A file system of its own, which is full soon, or read-only. Only root may make one. */
const isRoot = process.getuid?.() === 0 && process.platform === 'linux';

async function onSmallDisk(bytes: number, run: (disk: string) => Promise<void>): Promise<void> {
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', directory]);
  try {
    await run(directory);
  } finally {
    execFileSync('umount', ['--lazy', directory]);
  }
}

test.runIf(isRoot)(
  'on a full disk nothing counts as kept that is not, and what is kept is sent',
  async () => {
    await onSmallDisk(256 * 1024, async () => {
      const spool = await openSpool({ segmentBytes: 50_000 });
      const kept: string[] = [];
      let refusals = 0;
      for (let i = 0; refusals < 20; i += 1) {
        // Sizes that meet the end of the disk in the middle of a frame.
        const text = `${i} ${'x'.repeat(1_000 + ((i * 7_919) % 9_000))}`;
        await spool.append([aWebhook(text)]).then(
          () => kept.push(text),
          (error) => {
            refusals += 1;
            expect(String(error)).toMatch(
              /cannot write to SPOOL_DIR .*(ENOSPC|no space|no more bytes)/i,
            );
          },
        );
      }
      expect(kept.length).toBeGreaterThan(10);
      expect(await drained(spool)).toEqual(kept);
      await spool.append([aWebhook('there is room again')]);
      expect(await drained(spool)).toEqual(['there is room again']);
      await spool.close();
    });
  },
);

test.runIf(isRoot)(
  'on a disk that has become read-only: what is there is sent once, nothing more is taken',
  async () => {
    await onSmallDisk(256 * 1024, async (disk) => {
      const spool = await openSpool();
      await spool.append([aWebhook('a')]);
      await spool.drainOldest(() => Promise.reject(new Error('away'))).catch(() => undefined);
      execFileSync('mount', ['-o', 'remount,ro', disk]);
      await expect(spool.append([aWebhook('b')])).rejects.toThrow(
        /cannot write to SPOOL_DIR .*EROFS/,
      );
      const sent: string[] = [];
      const send = async (webhooks: readonly ReceivedWebhook[]) =>
        void sent.push(...webhooks.map(textOf));
      for (let attempts = 0; attempts < 3; attempts += 1) {
        await expect(spool.drainOldest(send)).rejects.toThrow(/cannot delete .*EROFS/);
      }
      expect(sent).toEqual(['a']);
      execFileSync('mount', ['-o', 'remount,rw', disk]);
      await spool.drainOldest(send);
      expect([sent, spool.isEmpty]).toEqual([['a'], true]);
      await spool.close();
    });
  },
);

test('while the last segment is being sent, nothing is appended behind it', async () => {
  const spool = await openSpool();
  await spool.append([aWebhook('a')]);
  const gate = Promise.withResolvers<void>();
  const leaving = spool.drainOldest(() => gate.promise);
  const behind = spool.appendBehindOthers([aWebhook('b')]);
  gate.resolve();
  await leaving;
  expect(await behind).toBe(false);
  expect(spool.isEmpty).toBe(true);
  await spool.close();
});

test('while many are leaving, others are appended behind them, into another file', async () => {
  const spool = await openSpool();
  const many = Array.from({ length: 201 }, (_, i) => `many ${i}`);
  await spool.append(many.map((text) => aWebhook(text)));
  const gate = Promise.withResolvers<void>();
  const leaving = spool.drainOldest(() => gate.promise);
  expect(await spool.appendBehindOthers([aWebhook('b')])).toBe(true);
  gate.resolve();
  await leaving;
  expect(await drained(spool)).toEqual(['b']);
  await spool.close();
});

const stored = { kind: 'stored', partition: 0, offset: 1 } as const;
const spooled = { kind: 'spooled' } as const;
const quiet = { budgetMs: 1_000, onTrouble: () => {} };

test('a webhook that Kafka refuses for good is set aside and counted, and does not delay the others', async () => {
  const spool = await openSpool();
  for (const text of ['a', 'poison', 'b', 'c']) await spool.append([aWebhook(text)]);
  const sent: string[] = [];
  const write: Write = async (webhooks) =>
    webhooks.map((webhook) => {
      if (textOf(webhook) === 'poison')
        return { kind: 'refused', reason: 'INVALID_RECORD' } as const;
      sent.push(textOf(webhook));
      return stored;
    });
  const troubles: string[] = [];
  const onTrouble = (error: unknown) => void troubles.push(String(error));
  const store = new SpoolingStore(write, spool, { ...quiet, onTrouble });
  await vi.waitUntil(() => spool.isEmpty, { timeout: 30_000 });
  expect(sent).toEqual(['a', 'b', 'c']);
  // A later one, too. The bridge may respond with 202, because the webhook is on the disk.
  expect(await store.store([aWebhook('poison'), aWebhook('d')])).toEqual([spooled, stored]);
  expect(spool.state.refused).toBe(2);
  expect(troubles.join()).toContain('INVALID_RECORD');
  await store.close();
  const next = await openSpool();
  expect(next.state).toMatchObject({ webhooks: 0, refused: 2 });
  await next.close();
  // As the log says: renamed, the file is sent again.
  const [aside = ''] = (await readdir(directory)).filter((name) => name.endsWith('.refused'));
  await rename(join(directory, aside), join(directory, aside.replace('.refused', '.segment')));
  const again = await openSpool();
  expect(await drained(again)).toEqual(['poison']);
  await again.close();
});

test('a partition without a leader does not delay the others', async () => {
  const spool = await openSpool();
  let isBack = false;
  const sent: string[] = [];
  const write: Write = async (webhooks) =>
    webhooks.map((webhook) => {
      const text = textOf(webhook);
      if (text.startsWith('bad') && !isBack)
        return { kind: 'unavailable', reason: 'no leader' } as const;
      sent.push(text);
      return stored;
    });
  const store = new SpoolingStore(write, spool, quiet);
  expect(await store.store([aWebhook('bad 1'), aWebhook('a')])).toEqual([spooled, stored]);
  await store.store([aWebhook('b'), aWebhook('bad 2'), aWebhook('c')]);
  await vi.waitUntil(() => sent.includes('b') && sent.includes('c'), { timeout: 30_000 });
  expect(sent.some((text) => text.startsWith('bad'))).toBe(false);
  isBack = true;
  await vi.waitUntil(() => spool.isEmpty, { timeout: 30_000 });
  expect(sent.toSorted()).toEqual(['a', 'b', 'bad 1', 'bad 2', 'c']);
  await store.close();
});

test('only this user can read the spool', async () => {
  const open = join(directory, 'open');
  await mkdir(open);
  await chmod(open, 0o777);
  const spool = await Spool.open({ directory: open, maxBytes: 1e9, segmentBytes: 1e6 });
  await spool.append([aWebhook('a')]);
  const modeOf = async (path: string) => ((await stat(path)).mode & 0o777).toString(8);
  expect(await modeOf(open)).toBe('700');
  const [name = ''] = (await readdir(open)).filter((one) => one.endsWith('.segment'));
  expect(await modeOf(join(open, name))).toBe('600');
  await spool.close();
});

test.runIf(isRoot)(
  "in a directory of somebody else's that all can write, as Kubernetes' volumes are, it has one of its own",
  async () => {
    const shared = join(directory, 'shared');
    await mkdir(shared);
    await chown(shared, 1_000, 1_000);
    await chmod(shared, 0o777);
    const options = { directory: shared, maxBytes: 1e9, segmentBytes: 1e6 };
    const spool = await Spool.open(options);
    await spool.append([aWebhook('a')]);
    expect((await readdir(shared)).toSorted()).toEqual(['private']);
    await spool.close();
    await chown(join(shared, 'private'), 1_000, 1_000);
    await expect(Spool.open(options)).rejects.toThrow('belongs to user 1000');
  },
);

test('a path that is too long for the lock is an error that names the setting', async () => {
  const deep = join(directory, 'x'.repeat(120));
  const opening = Spool.open({ directory: deep, maxBytes: 1e9, segmentBytes: 1e6 });
  await expect(opening).rejects.toThrow('SPOOL_DIR is too long');
});

test('of many bridges that start at once after a crash, exactly one takes the spool', async () => {
  const path = join(directory, 'lock');
  for (let round = 0; round < 10; round += 1) {
    // A killed bridge leaves its socket behind, without a listener.
    const script = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
    spawnSync(process.execPath, ['-e', script]);
    const taken = await Promise.allSettled(Array.from({ length: 8 }, () => takeLock(path)));
    const servers = taken.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    expect(servers).toHaveLength(1);
    await new Promise((resolve) => servers[0]?.close(resolve));
  }
});

test('a bridge on another host with the same volume is noticed by its renewals; one that is gone is not waited for', async () => {
  const path = join(directory, 'lock');
  const host = { name: 'here', signEveryMs: 50 };
  await writeFile(`${path}.owner`, 'elsewhere');
  const signing = setInterval(() => void utimes(`${path}.owner`, new Date(), new Date()), 20);
  await expect(takeLock(path, host)).rejects.toThrow('a bridge on elsewhere uses SPOOL_DIR');
  clearInterval(signing);
  const server = await takeLock(path, host);
  expect(await readFile(`${path}.owner`, 'utf8')).toBe('here');
  await new Promise((resolve) => server.close(resolve));
  expect(await readdir(directory)).not.toContain('lock.owner');
});
