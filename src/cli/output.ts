/**
 * stdout and stderr for who writes: whole lines, in order, and never an error.
 *
 * What cannot be written (a full disk, a reader or a terminal that is gone) must not end the work in the
 * middle of a line; who has to know is told (stopping.ts). Every write is tried, also after one that
 * failed: when a disk has room again the log goes on, with a line of its own.
 *
 * Node's own streams were dropped: they take a write that a nearly full disk has cut short for done, and
 * end for good at the first failure.
 */
import { writeSync } from 'node:fs';
import { Writable } from 'node:stream';
import { isatty } from 'node:tty';

export interface WriteFailure {
  error: NodeJS.ErrnoException;
  /** Nobody is there to read it: a pipe that was closed, a terminal that was taken away. */
  readerGone: boolean;
}

const PIPE_FULL_MS = 5;

export class Output {
  readonly #terminal: boolean;
  /** What went out last is a part of what was to. */
  #cut = false;
  #lost = false;

  /** @param onFailure called for every write that fails */
  constructor(
    private readonly fd: number,
    private readonly onFailure: (failure: WriteFailure) => void,
  ) {
    this.#terminal = isatty(fd);
  }

  /** Whether the last write failed. */
  get isLost(): boolean {
    return this.#lost;
  }

  write(text: string): void {
    const bytes = Buffer.from(this.#cut ? `\n${text}` : text);
    let written = 0;
    try {
      while (written < bytes.length) written += writeSome(this.fd, bytes.subarray(written));
      this.#cut = this.#lost = false;
    } catch (thrown) {
      this.#cut ||= written > 0;
      this.failed(thrown as NodeJS.ErrnoException);
    }
  }

  /** To be told what has become of what was written here by another way. */
  failed(error: NodeJS.ErrnoException): void {
    this.#lost = true;
    // A terminal that was taken away answers as a broken disk does.
    const readerGone = error.code === 'EPIPE' || (error.code === 'EIO' && this.#terminal);
    this.onFailure({ error, readerGone });
  }

  /** For whoever wants a stream. */
  stream(): Writable {
    return new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        this.write(chunk.toString());
        done();
      },
    });
  }
}

/** A reader that is slow is waited for. */
function writeSome(fd: number, bytes: Buffer): number {
  while (true)
    try {
      return writeSync(fd, bytes);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PIPE_FULL_MS);
    }
}
