/**
 * The reverse's cursor: the key on the source that says how far it has what is written on the target.
 *
 * It lies under `etcd-lockstep/reverse/`, one for each set of prefixes, as several targets may have been
 * split off one source. It moves in the same transaction as the data. Its value is JSON, to be read with
 * `etcdctl get etcd-lockstep/reverse/ --prefix`.
 */
import { z } from 'zod';
import { LockstepError } from '../errors.js';
import type { CursorFormat } from '../mirror/writer.js';
import { parseKeyValue } from '../mvcc/keyvalue.js';
import { OWN_PREFIX, type PrefixSet } from '../mvcc/prefix.js';
import type { Revision } from '../mvcc/revision.js';
import type { EtcdClient } from '../wire/client.js';

const REVERSE_FORMAT = 1;
export const REVERSE_PREFIX = `${OWN_PREFIX}reverse/`;

const revision = z.number().int().nonnegative();
const keyName = z.object({
  key: z.string(),
  /** Where the key is no UTF-8. */
  keyBase64: z.string().optional(),
  /** Of the source, at which it was written late. */
  revision,
});

const schema = z.object({
  format: z.literal(REVERSE_FORMAT),
  /** Cluster id of the target, hexadecimal. */
  target: z.string(),
  /** Of the cutover: the last revision at which the target was the source's exact copy. */
  exact: revision,
  prefixes: z.array(z.string()).min(1),
  /** The source has what the target had at this revision, and what came before. */
  revision,
  /** Both sides are being compared: the source has some of what came since, too. */
  comparing: z.boolean(),
  /** Of the source: all that was written late up to here is known. */
  seen: revision,
  late: z.object({
    /** Late writes that were found. */
    count: z.number().int().nonnegative(),
    /** Of these, keys that the target has brought over since; their late value is gone. */
    replaced: z.number().int().nonnegative(),
    /** Keys that still are as somebody has written them late, and not as the target has them. */
    open: z.array(keyName),
    /** Whether `open` has all of them. */
    all: z.boolean(),
  }),
  /** Random id of the process that wrote it. */
  writer: z.string(),
  /** When, by that process's clock. For people. */
  at: z.string(),
});

export type ReverseCursor = z.infer<typeof schema>;
/** What the parts that write have to say; who and when is added to it. */
export type ReverseState = Pick<ReverseCursor, 'revision' | 'comparing' | 'seen' | 'late'>;
/** A key that was written late. */
export type LateKey = ReverseCursor['late']['open'][number];

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

/** The cursor as it stands on the source; undefined where there is none. */
export async function readReverse(
  source: EtcdClient,
  prefixes: PrefixSet,
): Promise<ReverseCursor | undefined> {
  const key = reverseKey(prefixes);
  const { rows } = await source.few({ key });
  return rows[0] && parseReverse(key, parseKeyValue(rows[0]).value);
}

/** What a reverse begins with: both sides are the same, and nothing is late. */
export function firstState(exact: Revision): ReverseState {
  const late = { count: 0, replaced: 0, open: [], all: true };
  return { revision: exact, comparing: false, seen: exact, late };
}

/** @param identity what stands in every cursor of this reverse */
export function reverseFormat(
  key: Buffer,
  identity: Pick<ReverseCursor, 'target' | 'exact' | 'prefixes'>,
): CursorFormat<ReverseState> {
  return {
    encode: ({ revision, comparing, seen, late }, writer) => {
      const at = new Date().toISOString();
      const state = { revision, comparing, seen, late };
      const cursor: ReverseCursor = { format: REVERSE_FORMAT, ...identity, ...state, writer, at };
      return Buffer.from(JSON.stringify(cursor));
    },
    parse: (value) => {
      const { exact, target, writer, ...cursor } = parseReverse(key, value);
      // One of another night, which was left here, says nothing of this one.
      const isThis = exact === identity.exact && target === identity.target;
      return { state: isThis ? cursor : firstState(identity.exact), writer };
    },
    other: (writer) =>
      new LockstepError(
        'TARGET_TAKEN_OVER',
        `another run (${writer}) keeps the way back open: it writes ${key.toString()} on the source`,
        {
          side: 'source',
          hint: 'Two of them run, or a rollback has begun. Nothing is wrong: this one ends, the other one goes on.',
        },
      ),
    lost: (how, head) =>
      new LockstepError('TARGET_HEAD_OFF', `${key.toString()} on the source is ${how}`, {
        side: 'source',
        revision: head,
        hint: 'The source was restored or replaced, or the key was deleted. Run follow --reverse again: it looks at both sides anew.',
      }),
  };
}
