/** Temporary database files, and everything that a reader can be asked about one. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { BoltFile, type BoltEntry } from '../../src/bolt/boltreader.js';
import { BoltWriter } from '../../src/bolt/boltwriter.js';
import { hasCode } from '../../src/errors.js';

export type Row = [key: Buffer, value: Buffer];
export type Buckets = Map<string, Row[]>;

/** A directory that goes away after the suite it was made in. */
export function tempDir(): string {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'bolt-'));
  after(() => {
    fs.rmSync(dir, { recursive: true });
  });
  return dir;
}

/** Writes a database in place of whatever is at `file`; returns the size that the writer tells. */
export async function writeBuckets(file: string, buckets: Buckets): Promise<number> {
  fs.rmSync(file, { force: true });
  const writer = BoltWriter.create(file);
  for (const [name, rows] of buckets) {
    writer.beginBucket(name);
    for (const [key, value] of rows) writer.put(key, value);
    writer.endBucket();
  }
  return writer.finish();
}

/** Runs `use` on the opened file and closes it whatever happens. */
export function withFile<T>(file: string, use: (db: BoltFile) => T, dataBytes?: number): T {
  const db = BoltFile.open(file, dataBytes === undefined ? {} : { dataBytes });
  try {
    return use(db);
  } finally {
    db.close();
  }
}

/** Reads all there is, by walking, and some of it by descending as well. */
export function readBuckets(file: string): Buckets {
  return withFile(file, (db) => {
    const buckets: Buckets = new Map();
    for (const name of db.bucketNames().map(String)) {
      const bucket = db.bucket(name);
      const rows = [...(bucket?.leaves() ?? [])]
        .flat()
        .map((e: BoltEntry): Row => [e.key, e.value]);
      bucket?.lastKey();
      for (const [key] of rows.slice(0, 3)) bucket?.get(key);
      buckets.set(name, rows);
    }
    return buckets;
  });
}

/** Reads everything; returns the message of a BOLT_DAMAGED, and throws all other errors. */
export function damageOf(file: string): string | undefined {
  try {
    readBuckets(file);
    return undefined;
  } catch (error) {
    if (hasCode(error, 'BOLT_DAMAGED') && error.disposition === 'fatal') return error.message;
    throw error;
  }
}

/** Overwrites parts of `file`, runs `use`, and puts the file back as it was. */
export function withPatches<T>(
  file: string,
  patches: { at: number; bytes: Uint8Array }[],
  use: () => T,
): T {
  const fd = fs.openSync(file, 'r+');
  const before = patches.map(({ at, bytes }) => {
    const old = Buffer.alloc(bytes.length);
    fs.readSync(fd, old, 0, old.length, at);
    fs.writeSync(fd, bytes, 0, bytes.length, at);
    return { at, old };
  });
  try {
    return use();
  } finally {
    for (const { at, old } of before.reverse()) fs.writeSync(fd, old, 0, old.length, at);
    fs.closeSync(fd);
  }
}

/** The numbers from 0 as keys of `bytes` bytes, ascending. */
export function numberedKey(i: number, bytes = 8): Buffer {
  const key = Buffer.alloc(bytes, 0x6b);
  key.writeUInt32BE(i, 0);
  return key;
}
