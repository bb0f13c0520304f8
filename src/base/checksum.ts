/** The sha256 that an etcd snapshot has behind its data; restore refuses a file where it is off. */
import { createHash } from 'node:crypto';
import { appendFileSync, createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { attempt } from '../bolt/failure.js';
import { LockstepError } from '../errors.js';
import { knownOther, SECTOR_BYTES, sizeOf, withoutChecksum } from './otherfile.js';

const SHA256_BYTES = 32;
const READ_BYTES = 1024 * 1024;

/** Called for each block that was read: so many bytes of all. */
export type OnRead = (bytes: number, of: number) => void;

/**
 * Checks the checksum.
 * @returns the number of bytes in front of it
 * @throws LockstepError NO_SNAPSHOT, SNAPSHOT_NO_CHECKSUM, SNAPSHOT_DAMAGED, IO
 */
export async function verifyChecksum(path: string, onRead?: OnRead): Promise<number> {
  const size = sizeOf(path);
  const dataBytes = dataBytesOf(path, size);
  try {
    const stored: Buffer[] = [];
    for await (const chunk of createReadStream(path, { start: dataBytes, end: size - 1 }))
      stored.push(chunk as Buffer);
    if ((await hashFile(path, dataBytes, onRead)).equals(Buffer.concat(stored))) return dataBytes;
  } catch (cause) {
    // One that may not be read, or a disk that fails.
    attempt('read', path, () => {
      throw cause;
    });
  }
  throw knownOther(path) ?? damaged(path);
}

function dataBytesOf(path: string, size: number): number {
  if (size % SECTOR_BYTES !== SHA256_BYTES || size === SHA256_BYTES)
    throw withoutChecksum(path, size);
  return size - SHA256_BYTES;
}

/** The same of a file that is just being written, as it comes. */
export class ComingChecksum {
  readonly #hash = createHash('sha256');
  #bytes = 0;
  /** The last bytes so far: of the checksum, if no more come. */
  #last = Buffer.alloc(0);

  add(bytes: Uint8Array): void {
    this.#bytes += bytes.length;
    const more = bytes.length < SHA256_BYTES ? Buffer.concat([this.#last, bytes]) : bytes;
    if (more === bytes) this.#hash.update(this.#last);
    const cut = Math.max(0, more.length - SHA256_BYTES);
    this.#hash.update(more.subarray(0, cut));
    this.#last = Buffer.from(more.subarray(cut));
  }

  /**
   * All has come.
   * @param path for messages
   * @returns and throws as {@link verifyChecksum} does
   */
  verify(path: string): number {
    const dataBytes = dataBytesOf(path, this.#bytes);
    if (!this.#hash.digest().equals(this.#last)) throw damaged(path);
    return dataBytes;
  }
}

/**
 * Puts the checksum behind a finished file and makes both durable. The disk takes in the file while
 * it is read again, out of memory. (The first pages are written last, so its hash cannot be
 * taken while it is written.)
 * @returns the file's size in bytes
 * @throws LockstepError IO
 */
export async function appendChecksum(path: string, dataBytes: number): Promise<number> {
  const written = syncFile(path);
  written.catch(() => undefined);
  const sum = await hashFile(path, dataBytes);
  await written;
  attempt('write', path, () => {
    appendFileSync(path, sum, { flush: true });
  });
  return dataBytes + SHA256_BYTES;
}

async function syncFile(path: string): Promise<void> {
  try {
    const file = await open(path, 'r+');
    await file.datasync().finally(() => file.close());
  } catch (cause) {
    attempt('write', path, () => {
      throw cause;
    });
  }
}

/** Gives way to other work after each block. */
async function hashFile(path: string, bytes: number, onRead?: OnRead): Promise<Buffer> {
  const hash = createHash('sha256');
  const file = await open(path, 'r');
  const block = Buffer.allocUnsafeSlow(READ_BYTES);
  try {
    for (let at = 0; at < bytes;) {
      const want = Math.min(READ_BYTES, bytes - at);
      const { bytesRead } = await file.read(block, 0, want, at);
      if (bytesRead === 0) throw endsEarly(path, at, bytes);
      hash.update(block.subarray(0, bytesRead));
      at += bytesRead;
      onRead?.(at, bytes);
    }
  } finally {
    await file.close();
  }
  return hash.digest();
}

/** The hash of what is left would be that of a file which nobody has. */
function endsEarly(path: string, at: number, bytes: number): LockstepError {
  return new LockstepError('IO', `cannot read ${path}: it ends at byte ${at} of ${bytes}`, {
    hint: 'Another process has cut it short, or put another file in its place. Let that one end, then run the same command again.',
  });
}

function damaged(path: string): LockstepError {
  return new LockstepError(
    'SNAPSHOT_DAMAGED',
    `${path}: the sha256 at its end does not fit its content`,
    {
      hint: 'The file is damaged. Take the snapshot again.',
    },
  );
}
