/** The reverse's cursor as its writer needs it: what it begins with, and what is said of one that is not ours. */
import { LockstepError } from '../errors.js';
import type { CursorFormat } from '../mirror/writer.js';
import type { Revision } from '../mvcc/revision.js';
import {
  parseReverse,
  RETIRED,
  REVERSE_FORMAT,
  VERIFIED,
  type ReverseCursor,
  type ReverseState,
} from '../target/reversecursor.js';

/** What a reverse begins with: both sides are the same, and nothing is late. */
export function firstState(exact: Revision): ReverseState {
  const late = { count: 0, replaced: 0, open: [], all: true };
  return { revision: exact, comparing: false, seen: exact, late };
}

/** Who claimed it over the mark would make the source look as if no reverse had ever kept it current. */
function retired(key: Buffer): LockstepError {
  return new LockstepError(
    'TARGET_TAKEN_OVER',
    `retire has taken ${key.toString()} on the source, so that nothing is brought there any more`,
    { side: 'source', hint: 'There is no way back. Nothing is wrong: run retire to its end.' },
  );
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
      if (isThis && (writer === RETIRED || writer === VERIFIED)) throw retired(key);
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
