/** Folders of the bench, and its word on stderr. */
import { mkdirSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { removeAtExit, removeFolder } from '../../test/rig/child.js';

export const root = new URL('../..', import.meta.url).pathname;

/** What is kept from one run to the next; `rm -r .cache/bench` is harmless. */
export function cache(): string {
  const folder = join(root, '.cache/bench');
  mkdirSync(folder, { recursive: true });
  return folder;
}

/** A fresh folder for `use`, removed behind it, however it or the process ends. */
export async function inFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'etcd-lockstep-bench-'));
  removeAtExit(folder);
  try {
    return await use(folder);
  } finally {
    removeFolder(folder);
  }
}

/** What is going on; results go to stdout. */
export function say(text: string): void {
  process.stderr.write(`  ${text}\n`);
}
