/** What the file system of a folder has left: asked now and then, since a slow disk answers slowly. */
import { statfs } from 'node:fs/promises';
import { pause } from '../async/again.js';

const EVERY_MS = 15_000;

export class FreeSpace {
  #bytes: number | null = null;

  constructor(private readonly folder: string) {}

  /** For who is not root; null before it is known, or where the system does not say. */
  get bytes(): number | null {
    return this.#bytes;
  }

  /** Asks until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const answer = await statfs(this.folder).catch(() => undefined);
      this.#bytes = answer ? answer.bavail * answer.bsize : null;
      await pause(EVERY_MS, signal);
    }
  }
}
