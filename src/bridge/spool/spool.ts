/**
 * Keeps webhooks that Kafka does not accept in a directory. Segment files are written and fsynced
 * before the response, sent to Kafka in order when it is back, and deleted only then. A directory
 * belongs to one bridge.
 */

import { type FileHandle, readdir, readFile, rename, stat, unlink } from 'node:fs/promises';
import type { Server } from 'node:net';
import { join } from 'node:path';
import { SerialQueue } from '../../concurrency/serial-queue.ts';
import { AppError, messageOf } from '../../errors.ts';
import type { ReceivedWebhook } from '../raw-record.ts';
import { createFile, openPrivateDirectory, syncDirectory, writeWhole } from './directory.ts';
import { decodeFrames, encodeFrame } from './frames.ts';
import { takeLock } from './lock.ts';

export type SpoolOptions = {
  readonly directory: string;
  /** Limit for all segments together. */
  readonly maxBytes: number;
  /** A segment that has grown beyond this is closed, and the next one is begun. */
  readonly segmentBytes: number;
};

export type SpoolState = {
  readonly webhooks: number;
  readonly bytes: number;
  /** When the oldest of them was received; undefined if the spool is empty. */
  readonly oldestMs: number | undefined;
  /** Webhooks that Kafka refuses for good, kept in `*.refused` files. */
  readonly refused: number;
  /**
   * Frames and files that could not be read since the start. The files are kept: as *.damaged, or
   * unchanged for the next start.
   */
  readonly damaged: number;
};

type Segment = {
  readonly name: string;
  bytes: number;
  webhooks: number;
  readonly oldestMs: number;
  /** Kafka has all of it; only its file could not be deleted yet. */
  isSent?: true;
};

const suffix = '.segment';
const refusedSuffix = '.refused';

/** Webhooks in one produce request. */
export const webhooksPerSend = 200;

/** Appends webhooks behind all others. */
export type Append = (webhooks: readonly ReceivedWebhook[]) => Promise<void>;

/** @param append for those that cannot be sent now, while others can */
type Send = (webhooks: readonly ReceivedWebhook[], append: Append) => Promise<void>;

export class Spool {
  readonly #options: SpoolOptions;
  readonly #lock: Server;
  /** Oldest first; the last one may be open for appending. */
  readonly #segments: Segment[];
  #nextNumber: number;
  #file: FileHandle | undefined;
  #damaged = 0;
  #refused: number;
  /** Orders appending, and closing the file that is appended to. */
  readonly #queue = new SerialQueue();

  private constructor(
    options: SpoolOptions,
    lock: Server,
    found: { readonly segments: Segment[]; readonly refused: number; readonly last: number },
  ) {
    this.#options = options;
    this.#lock = lock;
    this.#segments = found.segments;
    this.#refused = found.refused;
    this.#nextNumber = found.last + 1;
  }

  /**
   * Takes the directory, and finds what an earlier bridge left there.
   * @throws AppError SPOOL_UNUSABLE
   */
  static async open(options: SpoolOptions): Promise<Spool> {
    try {
      const directory = await openPrivateDirectory(options.directory);
      const lock = await takeLock(join(directory, 'lock'));
      return new Spool({ ...options, directory }, lock, await inspectDirectory(directory));
    } catch (error) {
      if (error instanceof AppError) throw error;
      throw unusable(`cannot use SPOOL_DIR ${options.directory}: ${messageOf(error)}`, error);
    }
  }

  get isEmpty(): boolean {
    return this.#segments.length === 0;
  }

  get state(): SpoolState {
    return {
      webhooks: this.#segments.reduce((sum, { webhooks }) => sum + webhooks, 0),
      bytes: this.#segments.reduce((sum, { bytes }) => sum + bytes, 0),
      oldestMs: this.#segments[0]?.oldestMs,
      refused: this.#refused,
      damaged: this.#damaged,
    };
  }

  /**
   * Settles when the webhooks are on disk.
   * @throws AppError SPOOL_FULL or SPOOL_UNUSABLE (disk full, read-only, broken): none of them is
   * kept
   */
  append(webhooks: readonly ReceivedWebhook[]): Promise<void> {
    return this.#queue.run(() => this.#write(webhooks));
  }

  /**
   * Appends only if others are waiting. Returns whether they were: the last of them may just be
   * leaving.
   */
  appendBehindOthers(webhooks: readonly ReceivedWebhook[]): Promise<boolean> {
    return this.#queue.run(async () => {
      if (this.isEmpty) return false;
      await this.#write(webhooks);
      return true;
    });
  }

  /**
   * Writes webhooks that Kafka refuses for good into a file of their own, so that no other waits
   * for them. Returns its path.
   * @throws AppError SPOOL_UNUSABLE
   */
  async setAside(webhooks: readonly ReceivedWebhook[]): Promise<string> {
    const { directory } = this.#options;
    const path = join(directory, `${this.#nextName()}${refusedSuffix}`);
    try {
      const file = await createFile(path);
      try {
        await writeWhole(file, Buffer.concat(webhooks.map(encodeFrame)), 0);
        await file.datasync();
      } finally {
        await file.close();
      }
      await syncDirectory(directory);
    } catch (error) {
      throw unusable(`cannot write ${path}: ${messageOf(error)}`, error);
    }
    this.#refused += webhooks.length;
    return path;
  }

  /**
   * Sends the oldest segment, in order, and deletes it. A segment with damaged frames is kept under
   * another name, after the rest of it was sent. While the last few webhooks are sent, nothing is
   * appended: what comes then can follow them to Kafka, or there would always be one more.
   * @throws what `send` throws: the segment stays. AppError SPOOL_UNUSABLE if it cannot be read
   * (its file stays for the next start) or cannot be deleted (the next call only deletes it)
   */
  async drainOldest(send: Send): Promise<void> {
    const isDone = await this.#queue.run(async () => {
      const [segment] = this.#segments;
      if (segment === undefined || this.#segments.length > 1) return false;
      // The next append begins another file.
      await this.#closeFile();
      if (segment.webhooks > webhooksPerSend) return false;
      await this.#drain(send, (webhooks) => this.#write(webhooks));
      return true;
    });
    if (!isDone) await this.#drain(send, (webhooks) => this.append(webhooks));
  }

  async close(): Promise<void> {
    await this.#closeFile();
    await new Promise((resolve) => this.#lock.close(resolve));
  }

  #nextName(): string {
    this.#nextNumber += 1;
    return String(this.#nextNumber - 1).padStart(12, '0');
  }

  async #write(webhooks: readonly ReceivedWebhook[]): Promise<void> {
    const frames = Buffer.concat(webhooks.map(encodeFrame));
    const { bytes } = this.state;
    const { maxBytes, segmentBytes, directory } = this.#options;
    if (bytes + frames.length > maxBytes) {
      const text = `the spool holds ${bytes} bytes, ${frames.length} more would exceed SPOOL_MAX_BYTES (${maxBytes})`;
      throw new AppError('SPOOL_FULL', 'retry', text);
    }
    try {
      const file = this.#file ?? (await this.#begin());
      const segment = this.#segments.at(-1) as Segment;
      await writeWhole(file, frames, segment.bytes);
      await file.datasync();
      segment.bytes += frames.length;
      segment.webhooks += webhooks.length;
      if (segment.bytes >= segmentBytes) await this.#closeFile();
    } catch (error) {
      // A half-written frame must not precede later ones: it is cut off, and the next append begins
      // a new segment.
      await this.#file?.truncate(this.#segments.at(-1)?.bytes).catch(() => undefined);
      await this.#closeFile().catch(() => undefined);
      throw unusable(`cannot write to SPOOL_DIR ${directory}: ${messageOf(error)}`, error);
    }
  }

  async #begin(): Promise<FileHandle> {
    const { directory } = this.#options;
    const name = `${this.#nextName()}${suffix}`;
    const file = await createFile(join(directory, name));
    this.#file = file;
    this.#segments.push({ name, bytes: 0, webhooks: 0, oldestMs: Date.now() });
    await syncDirectory(directory);
    return file;
  }

  async #closeFile(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close();
  }

  async #drain(send: Send, append: Append): Promise<void> {
    const [segment] = this.#segments;
    if (segment === undefined) return;
    const path = join(this.#options.directory, segment.name);
    const { webhooks, goodBytes, damaged, length } = await this.#read(segment, path);
    if (!segment.isSent && webhooks.length > 0) await send(webhooks, append);
    segment.isSent = true;
    try {
      // A torn last frame was never acknowledged. It cannot be distinguished from a damaged one, so
      // it is kept as well.
      if (damaged > 0 || goodBytes < length) {
        await rename(path, `${path}.damaged`);
        this.#damaged += Math.max(1, damaged);
      } else {
        await unlink(path);
      }
    } catch (error) {
      throw unusable(`cannot delete ${path}, which Kafka has: ${messageOf(error)}`, error);
    }
    this.#segments.shift();
  }

  /**
   * Skips a segment that cannot be read, so that the others continue.
   * @throws AppError SPOOL_UNUSABLE
   */
  async #read(segment: Segment, path: string) {
    try {
      const bytes = await readFile(path);
      return { ...decodeFrames(bytes), length: bytes.length };
    } catch (error) {
      this.#segments.shift();
      this.#damaged += Math.max(1, segment.webhooks);
      const text = `cannot read ${path}, which stays there for the next start: ${messageOf(error)}`;
      throw unusable(text, error);
    }
  }
}

function unusable(message: string, cause?: unknown): AppError {
  return new AppError('SPOOL_UNUSABLE', 'retry', message, cause);
}

/** Finds the segments and refused files of an earlier bridge. */
async function inspectDirectory(directory: string) {
  const all = await readdir(directory);
  const names = all.filter((name) => name.endsWith(suffix)).sort();
  const segments: Segment[] = [];
  for (const name of names) segments.push(await inspect(directory, name));
  const asides = all.filter((name) => name.endsWith(refusedSuffix));
  let refused = 0;
  for (const name of asides) refused += (await inspect(directory, name)).webhooks;
  const last = Math.max(0, ...[...names, ...asides].map((name) => Number.parseInt(name, 10)));
  return { segments, refused, last };
}

/** Counts the webhooks of a file. A torn last frame was never acknowledged. */
async function inspect(directory: string, name: string): Promise<Segment> {
  const path = join(directory, name);
  const bytes = await readFile(path).catch(() => undefined);
  // An unreadable file is reported when it is drained.
  if (bytes === undefined) return { name, bytes: 0, webhooks: 0, oldestMs: Date.now() };
  const { webhooks, goodBytes } = decodeFrames(bytes);
  const { mtimeMs } = await stat(path);
  const oldestMs = webhooks[0]?.receipt.receivedAtMs ?? mtimeMs;
  return { name, bytes: goodBytes, webhooks: webhooks.length, oldestMs };
}
