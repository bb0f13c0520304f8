/** Files that are there whole, by their name, or not there: temp file, fsync, rename, fsync of the folder. */
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fsyncSync,
  openSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { attempt } from './bolt/failure.js';
import { LockstepError } from './errors.js';

/**
 * Checks before any work is done that a file could be put there.
 * @param flag that it was named by, for the message
 * @throws LockstepError FILE_EXISTS, BAD_PATH
 */
export function checkNewFile(path: string, flag: string): void {
  if (existsSync(path))
    throw new LockstepError('FILE_EXISTS', `${path} exists already`, {
      hint: `Name another ${flag}, or remove the file.`,
    });
  try {
    accessSync(dirname(path), constants.W_OK);
  } catch (cause) {
    throw new LockstepError('BAD_PATH', `cannot write into ${dirname(path)}`, {
      hint: `Name another ${flag}, in a folder that exists and may be written.`,
      cause,
    });
  }
}

/** `night.html`, or, where that is taken, `night-2.html`, `night-3.html`, … */
export function freeName(file: string): string {
  const dot = file.lastIndexOf('.');
  let name = file;
  for (let n = 2; existsSync(name); n++) name = `${file.slice(0, dot)}-${n}${file.slice(dot)}`;
  return name;
}

/**
 * Writes all of a file, in place of one that is there.
 * @param mode its permissions, less what the process's umask takes away
 * @throws LockstepError IO; then nothing is left of it
 */
export function writeWhole(path: string, text: string, mode = 0o666): void {
  const part = `${path}.part`;
  try {
    attempt('write', path, () => {
      writeDurably(part, Buffer.from(text), mode);
      renameSync(part, path);
      syncFolder(dirname(path));
    });
  } catch (error) {
    rmSync(part, { force: true });
    throw error;
  }
}

function writeDurably(path: string, bytes: Buffer, mode: number): void {
  const file = openSync(path, 'w', mode);
  try {
    // A disk that is nearly full takes a part.
    for (let at = 0; at < bytes.length;) at += writeSync(file, bytes, at);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** Makes a rename in it durable. */
export function syncFolder(path: string): void {
  const folder = openSync(path, 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
