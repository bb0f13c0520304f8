/** What a command of two etcds is run with: opened from its options, and closed at its end. */
import {
  sourceConnection,
  targetConnection,
  type SourceOptions,
  type TargetOptions,
} from '../config/access.js';
import { Migration } from '../migration.js';
import type { KeyMap } from '../mirror/keymap.js';
import { PlainMirror } from '../plainmirror.js';
import type { Context } from './command.js';

type SidesOptions = SourceOptions & TargetOptions;

/** @throws LockstepError SAME_ETCD, BAD_ARGUMENT for options that do not go together */
export async function withMigration<T>(
  options: SidesOptions,
  { note: onNote }: Pick<Context, 'note'>,
  use: (migration: Migration) => Promise<T>,
): Promise<T> {
  const [source, target] = [await sourceConnection(options), await targetConnection(options)];
  return closedAfter(new Migration({ source, target, onNote }), use);
}

/** @throws LockstepError BAD_ARGUMENT for options that do not go together */
export async function withMirror<T>(
  options: SidesOptions,
  { prefix, destPrefix }: KeyMap,
  { note: onNote }: Pick<Context, 'note'>,
  use: (mirror: PlainMirror) => Promise<T>,
): Promise<T> {
  const [source, target] = [await sourceConnection(options), await targetConnection(options)];
  return closedAfter(new PlainMirror({ source, target, prefix, destPrefix, onNote }), use);
}

async function closedAfter<C extends { close: () => void }, T>(
  opened: C,
  use: (opened: C) => Promise<T>,
): Promise<T> {
  try {
    return await use(opened);
  } finally {
    opened.close();
  }
}
