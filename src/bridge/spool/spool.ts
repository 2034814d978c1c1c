/**
 * What Kafka does not take is kept in a directory: segment files, written and fsynced before the webhook is answered, sent to Kafka in order when
 * it is back, and deleted only then. One bridge a directory.
 */

import {
  chmod,
  type FileHandle,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  stat,
  unlink,
} from 'node:fs/promises';
import type { Server } from 'node:net';
import { join } from 'node:path';
import { AppError, messageOf } from '../../errors.ts';
import type { ReceivedWebhook } from '../raw-record.ts';
import { decodeFrames, encodeFrame } from './frames.ts';
import { takeLock } from './lock.ts';

export type SpoolOptions = {
  readonly directory: string;
  /** Of all segments; above it nothing is taken. */
  readonly maxBytes: number;
  /** A segment that has grown beyond this is closed, and the next begun. */
  readonly segmentBytes: number;
};

export type SpoolState = {
  readonly webhooks: number;
  readonly bytes: number;
  /** When the oldest of them was received; undefined where there is none. */
  readonly oldestMs: number | undefined;
  /** Webhooks that Kafka refuses for good, kept in `*.refused` files. */
  readonly refused: number;
  /** Frames and files that could not be read, since the start. The files are kept: as *.damaged, or as they are for the next start. */
  readonly damaged: number;
};

type Segment = {
  readonly name: string;
  bytes: number;
  webhooks: number;
  readonly oldestMs: number;
  /** Kafka has it all; only its file could not be deleted yet. */
  isSent?: true;
};

const suffix = '.segment';
const refusedSuffix = '.refused';

/** So many go to Kafka in one produce request. */
export const webhooksPerSend = 200;

/** Puts webhooks behind all others. */
export type Again = (webhooks: readonly ReceivedWebhook[]) => Promise<void>;

/** @param again for those that cannot be sent now, while others can */
type Send = (webhooks: readonly ReceivedWebhook[], again: Again) => Promise<void>;

export class Spool {
  readonly #options: SpoolOptions;
  readonly #lock: Server;
  /** Oldest first; the last one may be open for appending. */
  readonly #segments: Segment[];
  #nextNumber: number;
  #file: FileHandle | undefined;
  #damaged = 0;
  #refused: number;
  /** Appending, and closing what is appended to, happen one after the other. */
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(
    options: SpoolOptions,
    lock: Server,
    segments: Segment[],
    next: number,
    refused: number,
  ) {
    this.#options = options;
    this.#refused = refused;
    this.#lock = lock;
    this.#segments = segments;
    this.#nextNumber = next;
  }

  /** Takes the directory, and finds what an earlier bridge left there. @throws AppError SPOOL_UNUSABLE */
  static async open(options: SpoolOptions): Promise<Spool> {
    try {
      const directory = await privateIn(options.directory);
      const lock = await takeLock(join(directory, 'lock'));
      const all = await readdir(directory);
      const names = all.filter((name) => name.endsWith(suffix)).sort();
      const segments: Segment[] = [];
      for (const name of names) segments.push(await inspect(directory, name));
      const asides = all.filter((name) => name.endsWith(refusedSuffix));
      let refused = 0;
      for (const name of asides) refused += (await inspect(directory, name)).webhooks;
      const last = Math.max(0, ...[...names, ...asides].map((name) => Number.parseInt(name, 10)));
      return new Spool({ ...options, directory }, lock, segments, last + 1, refused);
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
   * When it settles they are on disk.
   * @throws AppError SPOOL_FULL or SPOOL_UNUSABLE (disk full, read-only, broken): none of them is kept
   */
  append(webhooks: readonly ReceivedWebhook[]): Promise<void> {
    return this.#inTurn(() => this.#write(webhooks));
  }

  /** The same, if others are there to go behind; answers whether they were, for the last of them may just be leaving. */
  appendBehindOthers(webhooks: readonly ReceivedWebhook[]): Promise<boolean> {
    return this.#inTurn(async () => {
      if (this.isEmpty) return false;
      await this.#write(webhooks);
      return true;
    });
  }

  /** Puts webhooks that Kafka refuses for good into a file of their own, so that no other waits for them. Answers its path. @throws AppError SPOOL_UNUSABLE */
  async setAside(webhooks: readonly ReceivedWebhook[]): Promise<string> {
    const { directory } = this.#options;
    const path = join(directory, `${this.#nextName()}${refusedSuffix}`);
    try {
      const frames = Buffer.concat(webhooks.map(encodeFrame));
      const file = await open(path, 'wx', fileMode);
      try {
        await writeWhole(file, frames, 0);
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

  #nextName(): string {
    this.#nextNumber += 1;
    return String(this.#nextNumber - 1).padStart(12, '0');
  }

  #inTurn<T>(run: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(run);
    this.#turn = result.catch(() => undefined);
    return result;
  }

  async #write(webhooks: readonly ReceivedWebhook[]): Promise<void> {
    const frames = Buffer.concat(webhooks.map(encodeFrame));
    const { bytes } = this.state;
    const { maxBytes, segmentBytes, directory } = this.#options;
    if (bytes + frames.length > maxBytes) {
      const text = `the spool holds ${bytes} bytes, ${frames.length} more would be over SPOOL_MAX_BYTES (${maxBytes})`;
      throw new AppError('SPOOL_FULL', 'retry', text);
    }
    try {
      const file = this.#file ?? (await this.#begin());
      const segment = this.#segments.at(-1) as Segment;
      await writeWhole(file, frames, segment.bytes);
      await file.datasync();
      segment.bytes += frames.length;
      segment.webhooks += webhooks.length;
      if (segment.bytes >= segmentBytes) await this.#finish();
    } catch (error) {
      // What was half written must not stand before what comes next: it is cut off, and the next append begins a new segment.
      await this.#file?.truncate(this.#segments.at(-1)?.bytes).catch(() => undefined);
      await this.#finish().catch(() => undefined);
      throw unusable(`can not write to SPOOL_DIR ${directory}: ${messageOf(error)}`, error);
    }
  }

  async #begin(): Promise<FileHandle> {
    const { directory } = this.#options;
    const name = `${this.#nextName()}${suffix}`;
    const file = await open(join(directory, name), 'wx', fileMode);
    this.#file = file;
    this.#segments.push({ name, bytes: 0, webhooks: 0, oldestMs: Date.now() });
    await syncDirectory(directory);
    return file;
  }

  async #finish(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close();
  }

  /**
   * Sends the oldest segment, in order, and deletes it. One with damaged frames is kept under another name, once the rest of it is sent. While
   * the last few are sent, nothing is appended: what comes then can follow them to Kafka, or there would always be one more.
   * @throws what `send` throws: the segment stays. AppError SPOOL_UNUSABLE: it can not be read, and its file waits for the next start; or it
   * can not be deleted, and is only that the next time
   */
  async drainOldest(send: Send): Promise<void> {
    const isDone = await this.#inTurn(async () => {
      const [segment] = this.#segments;
      if (segment === undefined || this.#segments.length > 1) return false;
      // What is appended from now on goes into another file.
      await this.#finish();
      if (segment.webhooks > webhooksPerSend) return false;
      await this.#drain(send, (webhooks) => this.#write(webhooks));
      return true;
    });
    if (!isDone) await this.#drain(send, (webhooks) => this.append(webhooks));
  }

  async #drain(send: Send, again: Again): Promise<void> {
    const [segment] = this.#segments;
    if (segment === undefined) return;
    const path = join(this.#options.directory, segment.name);
    const { webhooks, goodBytes, damaged, length } = await this.#read(segment, path);
    if (!segment.isSent && webhooks.length > 0) await send(webhooks, again);
    segment.isSent = true;
    try {
      // A torn last frame was never acknowledged; but it can not be told from a damaged one, so it is kept as well.
      if (damaged > 0 || goodBytes < length) {
        await rename(path, `${path}.damaged`);
        this.#damaged += Math.max(1, damaged);
      } else {
        await unlink(path);
      }
    } catch (error) {
      throw unusable(`can not delete ${path}, which Kafka has: ${messageOf(error)}`, error);
    }
    this.#segments.shift();
  }

  /** One that can not be read is left where it is, and the others go on. @throws AppError SPOOL_UNUSABLE */
  async #read(segment: Segment, path: string) {
    try {
      const bytes = await readFile(path);
      return { ...decodeFrames(bytes), length: bytes.length };
    } catch (error) {
      this.#segments.shift();
      this.#damaged += Math.max(1, segment.webhooks);
      const text = `can not read ${path}, which is left there for the next start: ${messageOf(error)}`;
      throw unusable(text, error);
    }
  }

  async close(): Promise<void> {
    await this.#finish();
    await new Promise((resolve) => this.#lock.close(resolve));
  }
}

/** Whole bodies lie there: nobody else is to read them. */
const directoryMode = 0o700;
const fileMode = 0o600;

/** A new name must survive a power cut as well. */
async function syncDirectory(directory: string): Promise<void> {
  const parent = await open(directory, 'r');
  await parent.sync().finally(() => parent.close());
}

/** A directory of our own inside SPOOL_DIR: Kubernetes mounts volumes that everybody may write to. */
const privateName = 'private';

/** Returns a directory that only this user can read and write: the given one, or `private` in it. @throws AppError SPOOL_UNUSABLE if another user owns it */
async function privateIn(directory: string): Promise<string> {
  await mkdir(directory, { recursive: true, mode: directoryMode });
  const inner = join(directory, privateName);
  const { mode, uid } = await stat(directory);
  const isOpen = (mode & 0o022) !== 0;
  if (isOpen && uid === process.getuid?.()) await chmod(directory, directoryMode);
  else if (isOpen) await mkdir(inner, { recursive: true, mode: directoryMode });
  const found = await stat(inner).catch(() => undefined);
  if (found === undefined) return directory;
  if (found.uid === process.getuid?.() && (found.mode & 0o077) === 0) return inner;
  const text = `${inner} belongs to user ${found.uid} and has mode ${(found.mode & 0o777).toString(8)}: expected a directory of this user alone (700), since the spool holds whole webhooks`;
  throw new AppError('SPOOL_UNUSABLE', 'stop', text);
}

function unusable(message: string, cause?: unknown): AppError {
  return new AppError('SPOOL_UNUSABLE', 'retry', message, cause);
}

/** A single write may stop in the middle of a disk's last free block and say so only by its count. */
async function writeWhole(file: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let from = 0; from < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, from, bytes.length - from, position + from);
    if (bytesWritten === 0) throw new Error('the disk takes no more bytes');
    from += bytesWritten;
  }
}

/** What an earlier bridge left. A torn last frame was never acknowledged. */
async function inspect(directory: string, name: string): Promise<Segment> {
  const path = join(directory, name);
  const bytes = await readFile(path).catch(() => undefined);
  // It shows again, and is told, when its turn comes.
  if (bytes === undefined) return { name, bytes: 0, webhooks: 0, oldestMs: Date.now() };
  const { webhooks, goodBytes } = decodeFrames(bytes);
  const { mtimeMs } = await stat(path);
  const oldestMs = webhooks[0]?.receipt.receivedAtMs ?? mtimeMs;
  return { name, bytes: goodBytes, webhooks: webhooks.length, oldestMs };
}
