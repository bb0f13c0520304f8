/**
 * The reverse's cursor: the key on the source that says how far it has what is written on the target.
 *
 * It lies under `etcd-lockstep/reverse/`, one for each set of prefixes, as several targets may have been
 * split off one source. It moves in the same transaction as the data. Its value is JSON, to be read with
 * `etcdctl get etcd-lockstep/reverse/ --prefix`.
 */
import { z } from 'zod';
import { hasCode, LockstepError } from '../errors.js';
import { modRevisionOf, parseKeyValue } from '../mvcc/keyvalue.js';
import { OWN_PREFIX, type PrefixSet } from '../mvcc/prefix.js';
import type { Revision } from '../mvcc/revision.js';
import type { EtcdClient } from '../wire/client.js';

export const REVERSE_FORMAT = 1;
export const REVERSE_PREFIX = `${OWN_PREFIX}reverse/`;

/** Retire's marks. They stand for a writer in a cursor that it took: not looked at yet, and found right up to its `seen`. */
export const RETIRED = 'retire';
export const VERIFIED = 'retire, verified';

/** A key that was written late. */
export interface LateKey {
  key: string;
  /** Where the key is no UTF-8. */
  keyBase64?: string;
  /** Of the source, at which it was written late. */
  revision: Revision;
}

/** Late writes on the source since the cutover. */
export interface LateSum {
  count: number;
  /** Of these, those that the target has brought over since; what was written late is gone. */
  replaced: number;
  /** Keys that still are as somebody has written them late, and not as the target has them. */
  open: LateKey[];
  /** Whether `open` has all of them. */
  all: boolean;
}

/** What the parts that write have to say. */
export interface ReverseState {
  /** The source has what the target had at this revision, and what came before. */
  revision: Revision;
  /** Both sides are being compared: the source has some of what came since, too. */
  comparing: boolean;
  /** Of the source: all that was written late up to here is known. */
  seen: Revision;
  late: LateSum;
}

export interface ReverseCursor extends ReverseState {
  format: typeof REVERSE_FORMAT;
  /** Cluster id of the target, hexadecimal. */
  target: string;
  /** Of the cutover: the last revision at which the target was the source's exact copy. */
  exact: Revision;
  prefixes: string[];
  /** Random id of the process that wrote it. */
  writer: string;
  /** When, by that process's clock. For people. */
  at: string;
}

const revision = z.number().int().nonnegative();

const schema: z.ZodType<ReverseCursor> = z.object({
  format: z.literal(REVERSE_FORMAT),
  ...{ target: z.string(), exact: revision, prefixes: z.array(z.string()).min(1) },
  ...{ revision, comparing: z.boolean(), seen: revision },
  late: z.object({
    ...{ count: revision, replaced: revision, all: z.boolean() },
    open: z.array(z.object({ key: z.string(), keyBase64: z.string().exactOptional(), revision })),
  }),
  ...{ writer: z.string(), at: z.string() },
});

/** Names with a comma of their own are no other reverse's. */
export function reverseKey({ list }: PrefixSet): Buffer {
  const part = (name: string) => name.replaceAll('%', '%25').replaceAll(',', '%2C');
  return Buffer.from(`${REVERSE_PREFIX}${list.map(part).join(',')}`);
}

/** @throws LockstepError TARGET_NOT_OURS for anything that is no cursor of this format */
export function parseReverse(key: Buffer, value: Buffer): ReverseCursor {
  try {
    return schema.parse(JSON.parse(value.toString()));
  } catch (cause) {
    throw new LockstepError(
      'TARGET_NOT_OURS',
      `${key.toString()} on the source holds no cursor of format ${REVERSE_FORMAT}`,
      {
        side: 'source',
        hint: 'It was written by another version of etcd-lockstep, or by hand. If nobody needs it, delete that key.',
        cause,
      },
    );
  }
}

/**
 * Whether a revision of the source is a write of a reverse, of whatever run: then its cursor was put there, too.
 * @returns undefined where it is compacted, and that cannot be told any more
 */
export async function isOfReverse(
  source: EtcdClient,
  key: Buffer,
  revision: Revision,
): Promise<boolean | undefined> {
  try {
    const { rows } = await source.few({ key, revision, keysOnly: true });
    return rows[0] !== undefined && modRevisionOf(rows[0]) === revision;
  } catch (error) {
    if (!hasCode(error, 'COMPACTED')) throw error;
    return undefined;
  }
}

/** The cursor as it stands on the source; undefined where there is none. */
export async function readReverse(
  source: EtcdClient,
  prefixes: PrefixSet,
): Promise<ReverseCursor | undefined> {
  const key = reverseKey(prefixes);
  const { rows } = await source.few({ key });
  return rows[0] && parseReverse(key, parseKeyValue(rows[0]).value);
}
