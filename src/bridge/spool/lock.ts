/** One bridge a spool. */

import { rm } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { AppError } from '../../errors.ts';

/**
 * A Unix socket in the directory: it is taken as long as its owner lives, wherever that runs on this machine, and a dead one's can be told by
 * knocking. (Process ids say nothing across containers, in each of which the bridge is number 1.)
 * @throws AppError SPOOL_UNUSABLE, where another bridge has it
 */
export async function takeLock(path: string): Promise<Server> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await listenAt(path);
    } catch (error) {
      const isTaken = (error as NodeJS.ErrnoException).code === 'EADDRINUSE';
      if (!isTaken) throw error;
      if (attempt > 0 || (await answersAt(path))) {
        throw new AppError(
          'SPOOL_UNUSABLE',
          'fatal',
          `another bridge uses SPOOL_DIR: ${path} answers. Give each bridge a directory of its own`,
        );
      }
      await rm(path, { force: true });
    }
  }
}

function listenAt(path: string): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', reject);
    // exclusive: of several workers each holds its own, and loses it when it dies; else node:cluster would have the supervisor hold it.
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
