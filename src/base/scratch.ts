/** A store on disk for as long as some work takes, where its data would not fit in memory. */
import { rm } from 'node:fs/promises';
import { ioFailed, newLevel, type Level } from '../journal/level.js';

export type Scratch = Level;

/**
 * Opens an empty store at `path`, and removes it when `use` has ended.
 * @throws LockstepError IO when it cannot be written, for want of space for example
 */
export async function withScratch<T>(
  path: string,
  use: (scratch: Scratch) => Promise<T>,
): Promise<T> {
  await rm(path, { recursive: true, force: true });
  const scratch: Scratch = await newLevel(path);
  try {
    await scratch.open();
    return await use(scratch);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    throw code.startsWith('LEVEL_') ? ioFailed(path, error) : error;
  } finally {
    await scratch.close();
    await rm(path, { recursive: true, force: true });
  }
}
