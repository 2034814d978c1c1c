/** The spool's directory and files: private to this user, and durable. */

import { chmod, type FileHandle, mkdir, open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError } from '../../errors.ts';

/** The spool holds whole webhook bodies: no other user may read them. */
const directoryMode = 0o700;
const fileMode = 0o600;

/**
 * A directory of our own inside SPOOL_DIR, because Kubernetes mounts volumes that every user may
 * write to.
 */
const privateName = 'private';

/**
 * Returns a directory that only this user can read and write: the given one, or `private` in it.
 * @throws AppError SPOOL_UNUSABLE if another user owns it
 */
export async function openPrivateDirectory(directory: string): Promise<string> {
  await mkdir(directory, { recursive: true, mode: directoryMode });
  const inner = join(directory, privateName);
  const { mode, uid } = await stat(directory);
  const isShared = (mode & 0o022) !== 0;
  if (isShared && uid === process.getuid?.()) await chmod(directory, directoryMode);
  else if (isShared) await mkdir(inner, { recursive: true, mode: directoryMode });
  const found = await stat(inner).catch(() => undefined);
  if (found === undefined) return directory;
  if (found.uid === process.getuid?.() && (found.mode & 0o077) === 0) return inner;
  const text = `${inner} belongs to user ${found.uid} and has mode ${(found.mode & 0o777).toString(8)}: expected a directory of this user alone (700), because the spool holds whole webhooks`;
  throw new AppError('SPOOL_UNUSABLE', 'stop', text);
}

/** Creates a file that must not exist yet. */
export function createFile(path: string): Promise<FileHandle> {
  return open(path, 'wx', fileMode);
}

/** Makes a new file name survive a power failure. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  await handle.sync().finally(() => handle.close());
}

/**
 * Writes all bytes. A single write may stop in the middle of a disk's last free block, and tells so
 * only by its count.
 */
export async function writeWhole(file: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let from = 0; from < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, from, bytes.length - from, position + from);
    if (bytesWritten === 0) throw new Error('the disk accepts no more bytes');
    from += bytesWritten;
  }
}
