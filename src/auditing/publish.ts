/** Files that are replaced while a follower runs. */
import { open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isSystemError, LockstepError } from '../errors.js';

/**
 * Durable, and whole or not there. Nothing else waits for the disk meanwhile.
 * @throws LockstepError IO
 */
export async function publish(path: string, text: string): Promise<void> {
  await attempt('write', path, async () => {
    const part = await open(`${path}.part`, 'w');
    try {
      await part.writeFile(text);
      await part.sync();
    } finally {
      await part.close();
    }
    await rename(`${path}.part`, path);
    const folder = await open(dirname(path), 'r');
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  });
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
