/**
 * What a file is that was given for a snapshot and is none: told by its first bytes, with what to do.
 *
 * A snapshot is a bbolt database with the sha256 of it behind (`etcdctl snapshot save`). Most that is
 * given in its place holds one: compressed, in an archive, or the database of a member without the sha256.
 */
import { closeSync, existsSync, openSync, readSync, statSync, type Stats } from 'node:fs';
import { join } from 'node:path';
import { HEADER_BYTES } from '../bolt/boltformat.js';
import { attempt } from '../bolt/failure.js';
import { isSystemError, LockstepError } from '../errors.js';

/** A bbolt file is a multiple of this, so a remainder of 32 says that the checksum is there. */
export const SECTOR_BYTES = 512;

interface FileKind {
  /** Bytes that it begins with, one character a byte. */
  match: RegExp;
  what: string;
  todo: (path: string) => string;
}

const UNPACK = 'Unpack it, and give the snapshot that is in it:';

const KINDS: FileKind[] = [
  compressed(/^\x1f\x8b/, 'gzip', (path) => `gunzip -k ${path}`),
  compressed(/^\x28\xb5\x2f\xfd/, 'zstd', (path) => `unzstd ${path}`),
  compressed(/^\xfd7zXZ\0/, 'xz', (path) => `unxz -k ${path}`),
  compressed(/^BZh[1-9]/, 'bzip2', (path) => `bunzip2 -k ${path}`),
  compressed(/^\x04\x22\x4d\x18/, 'lz4', (path) => `unlz4 ${path}`),
  compressed(/^\x1f\x9d/, 'compress (.Z)', (path) => `uncompress -k ${path}`),
  compressed(
    /^\x78[\x01\x5e\x9c\xda]/,
    'zlib',
    (path) => `zlib-flate -uncompress < ${path} > snapshot.db`,
  ),
  compressed(/^PK(\x03\x04|\x05\x06)/, 'zip', (path) => `unzip ${path}`),
  compressed(/^7z\xbc\xaf\x27\x1c/, '7-Zip', (path) => `7z x ${path}`),
  { match: /^.{257}ustar/s, what: 'a tar archive', todo: (path) => `${UNPACK} tar -xf ${path}` },
  {
    match: /^(age-encryption\.org|Salted__|-----BEGIN PGP MESSAGE)/,
    what: 'encrypted',
    todo: () => 'Decrypt it first.',
  },
  {
    match: /^[\t\n\r\x20-\x7e]+$/,
    what: 'text',
    todo: (path) =>
      `See what it says (head ${path}): where a download has failed, it is the server's error.`,
  },
];

function compressed(match: RegExp, name: string, unpack: (path: string) => string): FileKind {
  return { match, what: `packed with ${name}`, todo: (path) => `${UNPACK} ${unpack(path)}` };
}

const SAVE = 'take a snapshot with `etcdctl snapshot save`';
/** The name of a tar archive stands this far behind its beginning. */
const LOOKED_AT = 264;
/** The meta page's magic, behind the page's header. */
const BOLT_MAGIC = Buffer.from([0xed, 0xda, 0x0c, 0xed]);
/** Where there is a database of a member, below its data directory. */
const DATABASES = ['member/snap/db', 'snap/db', 'db'];

/**
 * What can be told without reading it.
 * @returns its size in bytes
 * @throws LockstepError NO_SNAPSHOT, BAD_PATH
 */
export function sizeOf(path: string): number {
  const stat = look(path);
  if (stat.isDirectory()) throw directory(path);
  if (!stat.isFile())
    throw noSnapshot(
      path,
      'no regular file',
      'A snapshot is read from its end: copy it to a file.',
    );
  if (stat.size === 0) throw noSnapshot(path, 'empty', `Copy it again, or ${SAVE}.`);
  return stat.size;
}

function look(path: string): Stats {
  try {
    return statSync(path);
  } catch (cause) {
    if (!isSystemError(cause)) throw cause;
    throw new LockstepError('BAD_PATH', `cannot read ${path}: ${cause.message}`, { cause });
  }
}

/** Of a file that does not end in the sha256 of what stands before it. */
export function withoutChecksum(path: string, size: number): LockstepError {
  const begin = beginning(path);
  if (begin.subarray(HEADER_BYTES).indexOf(BOLT_MAGIC) !== 0) return otherFile(path, begin);
  if (size % SECTOR_BYTES !== 0)
    return noChecksum(
      `${path} is a part of a snapshot: its ${size} bytes are no whole pages`,
      `It was cut short: copy it again, or ${SAVE}.`,
    );
  return noChecksum(
    `${path} is the database of a member (as member/snap/db is), or a snapshot without its end: it has no sha256 behind it`,
    `Best ${SAVE}. If that etcd is gone for good and was stopped when the file was copied, give it its sha256: (cat ${path}; openssl dgst -sha256 -binary ${path}) > snapshot.db`,
  );
}

/** Of a file whose sha256 does not fit: whatever is known to be something else. */
export function knownOther(path: string): LockstepError | undefined {
  const begin = beginning(path);
  return kindOf(begin) && otherFile(path, begin);
}

function kindOf(begin: Buffer): FileKind | undefined {
  return KINDS.find(({ match }) => match.test(begin.toString('latin1')));
}

function otherFile(path: string, begin: Buffer): LockstepError {
  const kind = kindOf(begin);
  if (kind) return noSnapshot(path, kind.what, kind.todo(path));
  const hex = begin.subarray(0, 8).toString('hex');
  return noSnapshot(path, `no database: it begins with ${hex}`, `Give the right file, or ${SAVE}.`);
}

function directory(path: string): LockstepError {
  const db = DATABASES.map((below) => join(path, below)).find((file) => existsSync(file));
  if (db === undefined) return noSnapshot(path, 'a directory', 'Give the snapshot file in it.');
  return noSnapshot(
    path,
    'the data directory of a member',
    `Best ${SAVE}. If that etcd is gone for good, its database is ${db}.`,
  );
}

function noSnapshot(path: string, what: string, hint: string): LockstepError {
  const message = `${path} is no etcd snapshot: it is ${what}`;
  return new LockstepError('NO_SNAPSHOT', message, { hint });
}

function noChecksum(message: string, hint: string): LockstepError {
  return new LockstepError('SNAPSHOT_NO_CHECKSUM', message, { hint });
}

function beginning(path: string): Buffer {
  const bytes = Buffer.alloc(LOOKED_AT);
  const fd = attempt('open', path, () => openSync(path, 'r'));
  try {
    return bytes.subarray(
      0,
      attempt('read', path, () => readSync(fd, bytes, 0, LOOKED_AT, 0)),
    );
  } finally {
    closeSync(fd);
  }
}
