/** Files that are replaced while a follower runs. */
import { open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isSystemError, LockstepError } from '../errors.js';

/**
 * Durable, and whole or not there. Nothing else waits for the disk meanwhile.
 * @throws LockstepError IO; then nothing is left of it
 */
export async function publish(path: string, text: string): Promise<void> {
  const part = `${path}.part`;
  await attempt('write', path, async () => {
    try {
      await writeDurably(part, text);
      await rename(part, path);
    } catch (error) {
      // Where the disk is full, an audit each hour would leave one behind, each of another name.
      await rm(part, { force: true }).catch(() => undefined);
      throw error;
    }
    const folder = await open(dirname(path), 'r');
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  });
}

async function writeDurably(path: string, text: string): Promise<void> {
  const file = await open(path, 'w');
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

/**
 * Runs calls of the file system.
 * @throws LockstepError IO for what the system says
 */
export async function attempt<T>(
  doing: 'read' | 'write',
  path: string,
  call: () => Promise<T>,
): Promise<T> {
  try {
    return await call();
  } catch (cause) {
    if (!isSystemError(cause)) throw cause;
    throw new LockstepError('IO', `cannot ${doing} ${path}: ${cause.message}`, {
      hint: 'Check the path, its permissions and the free space of the disk.',
      cause,
    });
  }
}
