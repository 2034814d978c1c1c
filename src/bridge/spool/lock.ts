/** Makes sure that one bridge uses a spool. */

import { rmSync } from 'node:fs';
import { mkdir, readFile, rm, rmdir, stat, utimes, writeFile } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { AppError } from '../../errors.ts';

/** The longest path of a Unix socket on Linux (sun_path), including its end. */
const longestPath = 107;

/**
 * Takes the lock: a Unix socket in the directory, held as long as its owner lives, in whatever
 * container of this host. A connection attempt shows whether the owner is dead. (Process ids say
 * nothing across containers, because in each the bridge is number 1.)
 * @throws AppError SPOOL_UNUSABLE if another bridge has it
 */
export async function takeLock(path: string, host: HostCheck = thisHost): Promise<Server> {
  await expectNoOtherHost(path, host);
  const server = await takeHere(path);
  await sign(path, server, host);
  return server;
}

export type HostCheck = {
  readonly name: string;
  /** The owner renews its file this often. */
  readonly signEveryMs: number;
};

const thisHost: HostCheck = { name: hostname(), signEveryMs: 4_000 };

/** An owner on another host is dead after this many intervals without a renewal. */
const silentSigns = 3;

/**
 * Waits for an owner on another host with the same volume, to which a socket says nothing. The
 * owner's name is in a file whose time it renews; a bridge on another host watches it for a while.
 * (It watches for changes, because the clocks of two hosts and of the volume may differ.)
 */
async function expectNoOtherHost(path: string, { name, signEveryMs }: HostCheck): Promise<void> {
  const ownerPath = ownerOf(path);
  const owner = await readFile(ownerPath, 'utf8').catch(() => name);
  if (owner !== name) {
    const { mtimeMs: before } = await stat(ownerPath);
    await sleep(silentSigns * signEveryMs);
    const after = await stat(ownerPath).catch(() => undefined);
    if (after !== undefined && after.mtimeMs !== before) {
      const text = `a bridge on ${owner} uses SPOOL_DIR: ${ownerPath} is renewed. Give each bridge a directory of its own, not a shared volume`;
      throw new AppError('SPOOL_UNUSABLE', 'stop', text);
    }
  }
}

/** Renews the owner file until the lock is released. */
async function sign(path: string, server: Server, { name, signEveryMs }: HostCheck): Promise<void> {
  const ownerPath = ownerOf(path);
  await writeFile(ownerPath, name, { mode: 0o600 });
  const timer = setInterval(() => {
    const now = new Date();
    utimes(ownerPath, now, now).catch(() => undefined); // the next append reports a failing disk
  }, signEveryMs).unref();
  server.once('close', () => {
    clearInterval(timer);
    rmSync(ownerPath, { force: true });
  });
}

const ownerOf = (path: string) => `${path}.owner`;

async function takeHere(path: string): Promise<Server> {
  if (Buffer.byteLength(path) > longestPath) {
    const text = `SPOOL_DIR is too long: its lock ${path} has ${Buffer.byteLength(path)} bytes, a Unix socket's path has at most ${longestPath}. Choose a shorter one`;
    throw new AppError('SPOOL_UNUSABLE', 'stop', text);
  }
  for (;;) {
    try {
      return await listenAt(path);
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code !== 'EADDRINUSE') throw withoutSockets(path, message, error);
    }
    if (await answersAt(path)) throw inUse(path);
    await removeDead(path);
  }
}

/**
 * A process that dies during a takeover must not block the lock: its directory is removed after
 * this time.
 */
const takeoverLimitMs = 10_000;
const lookAgainMs = 50;

/**
 * Removes the socket of a dead owner. Two bridges that start at once may both find it. If both
 * removed the file, the second would remove the first one's new socket, and both would own the
 * spool. Creating a directory is atomic: only its creator removes the file, after checking again.
 */
async function removeDead(path: string): Promise<void> {
  const takeover = `${path}.takeover`;
  try {
    await mkdir(takeover);
  } catch {
    const { mtimeMs } = await stat(takeover).catch(() => ({ mtimeMs: Date.now() }));
    if (Date.now() - mtimeMs > takeoverLimitMs) await rmdir(takeover).catch(() => undefined);
    await sleep(lookAgainMs);
    return;
  }
  try {
    if (!(await answersAt(path))) await rm(path, { force: true });
  } finally {
    await rmdir(takeover).catch(() => undefined);
  }
}

function inUse(path: string): AppError {
  const text = `another bridge uses SPOOL_DIR: ${path} answers. Give each bridge a directory of its own`;
  return new AppError('SPOOL_UNUSABLE', 'stop', text);
}

function withoutSockets(path: string, message: string, cause: unknown): AppError {
  const text = `cannot make the lock ${path}: ${message}. SPOOL_DIR must be on a file system that takes Unix sockets, and of this host alone`;
  return new AppError('SPOOL_UNUSABLE', 'stop', text, cause);
}

function listenAt(path: string): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', reject);
    // exclusive: each worker has its own socket, and loses it when it dies; otherwise node:cluster
    // would let the supervisor hold it.
    server.listen({ path, exclusive: true }, () => resolve(server.unref()));
  });
}

function answersAt(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
