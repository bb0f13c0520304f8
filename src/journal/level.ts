/** Opening the journal's LevelDB, and what is said when that fails. */
import type { ClassicLevel, OpenOptions } from 'classic-level';
import { existsSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { isSystemError, LockstepError } from '../errors.js';

export type Level = ClassicLevel<Buffer, Buffer>;
type LevelOptions = Pick<
  OpenOptions,
  'createIfMissing' | 'errorIfExists' | 'writeBufferSize' | 'maxOpenFiles'
>;

/** LevelDB keeps up to two of them in memory. Rows of the base do not come here (runs.ts). */
const WRITE_BUFFER_BYTES = 8 * 1024 * 1024;
/**
 * LevelDB maps each open table (2 MiB) into memory, a thousand of them by default; this is the least
 * that it takes. Measured with 100,000 keys of 4 KB: 450 MB resident in place of 710, as fast.
 */
const MAX_OPEN_FILES = 74;

/** Not open yet. Its native part is loaded by what needs it, and by no other command. */
export async function newLevel(path: string, options: LevelOptions = {}): Promise<Level> {
  const { ClassicLevel } = await import('classic-level');
  return new ClassicLevel(path, { ...options, keyEncoding: 'buffer', valueEncoding: 'buffer' });
}

/** @throws LockstepError JOURNAL_LOCKED, JOURNAL_DAMAGED, IO */
export async function openLevel(directory: string, create: boolean): Promise<Level> {
  const db: Level = await newLevel(directory, {
    createIfMissing: create,
    errorIfExists: create,
    writeBufferSize: WRITE_BUFFER_BYTES,
    maxOpenFiles: MAX_OPEN_FILES,
  });
  try {
    await db.open();
    return db;
  } catch (error) {
    const cause = error instanceof Error ? error.cause : undefined;
    const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
    if (code === 'LEVEL_LOCKED')
      throw new LockstepError(
        'JOURNAL_LOCKED',
        `another process has the journal ${directory} open`,
        {
          hint: 'A seed or follow is running with it. Stop that one first, or give this one a journal of its own.',
          cause,
        },
      );
    if (code === 'LEVEL_CORRUPTION') throw damaged(directory, 'a checksum is wrong', cause);
    throw new LockstepError(
      'IO',
      `cannot open the journal ${directory}: ${plain(cause ?? error)}`,
      {
        hint: 'Check the free space and the rights of the directory, then run the same command again.',
        cause: error,
      },
    );
  }
}

/** Something in it is not as it was written. */
export function damaged(directory: string, what: string, cause?: unknown): LockstepError {
  return new LockstepError('JOURNAL_DAMAGED', `the journal ${directory} is damaged: ${what}`, {
    hint: 'If there is a target in lockstep, run follow with --repair: it makes the journal anew from there. Else delete the directory and seed again.',
    cause,
  });
}

/** There is none, or one that its first process did not live to set up. */
export function notSeeded(directory: string): LockstepError {
  return new LockstepError('JOURNAL_NOT_SEEDED', `${directory} holds no journal`, {
    hint: 'Run `etcd-lockstep seed` first, with the same --journal.',
  });
}

/** What a read threw, if it is LevelDB's or the system's; our own mistakes stay what they are. */
export function unreadable(directory: string, error: unknown): unknown {
  if (isSystemError(error))
    return new LockstepError('IO', `cannot read ${directory}: ${plain(error)}`, {
      hint: 'Check the disk and the rights of the directory and of the files in it.',
      cause: error,
    });
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code !== 'LEVEL_CORRUPTION' && code !== 'LEVEL_IO_ERROR') return error;
  return damaged(directory, plain(error), error);
}

function plain(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}

export function ioFailed(directory: string, cause: unknown): LockstepError {
  return new LockstepError('IO', `cannot write ${directory}: ${plain(cause)}`, {
    hint: 'Check the free space and the rights of the directory, then run the same command again: it goes on where it was.',
    cause,
  });
}

/** Something else lies there; it is not touched. */
export function notOurs(directory: string): LockstepError {
  return new LockstepError('JOURNAL_OTHER', `${directory} is there and holds no journal`, {
    hint: 'Give --journal a new directory, or one that an earlier seed has made.',
  });
}

/** @throws LockstepError JOURNAL_OTHER for a file, or a directory with anything that is not ours */
export function refuseOther(directory: string): void {
  if (!statSync(directory).isDirectory() || !onlyOwnFiles(directory)) throw notOurs(directory);
}

/** Names that LevelDB gives to its files, our runs, and a snapshot that is being read. */
const OWN_FILES =
  /^(CURRENT|LOCK|LOG|LOG\.old|MANIFEST-\d+|\d+\.(log|ldb|dbtmp|run)|snapshot\.part)$/;

/** Whether nothing but a journal, or the beginning of one, can lie in the directory. */
function onlyOwnFiles(directory: string): boolean {
  return readdirSync(directory).every((name) => OWN_FILES.test(name));
}

/**
 * Deletes a journal's files, and nothing else. LevelDB's logs go first and CURRENT behind them: without it the
 * next one makes a new database there, and reads whatever logs it finds into it. Cut short before, it is the
 * journal of an earlier moment.
 */
export function removeFiles(directory: string): void {
  const names = readdirSync(directory).filter((name) => OWN_FILES.test(name));
  const turn = (name: string) => (/^\d+\.log$/.test(name) ? 0 : name === 'CURRENT' ? 1 : 2);
  for (const name of names.sort((a, b) => turn(a) - turn(b))) rmSync(join(directory, name));
}

/** Bytes that the journal's files take; 0 where somebody has taken the directory away. */
export function sizeOf(directory: string): number {
  if (!existsSync(directory)) return 0;
  return readdirSync(directory)
    .map((name) => statSync(join(directory, name), { throwIfNoEntry: false })?.size ?? 0)
    .reduce((sum, size) => sum + size, 0);
}
