/**
 * follow --again: a target that was rolled back from is brought into lockstep anew, without a seed.
 *
 * What there is. Up to `exact` the target was the source's copy; then clients wrote to it, while it served,
 * and its head is T. The source has what counts, and the rollback has raised its head above T: what it
 * brought back lies there, and whatever was written since.
 *
 * The algorithm. It is as over a gap in the source's history (base/bridge.ts), one that begins at T:
 *   journal   of the target's rows, as if they were the source's at P = T + 1, bridged to the source's head
 *             R as it is now: for each key that differs the puts and deletions that make it exact at R
 *   target    one write, guarded by all that was read, that lands at P: the cutover's state and owner go;
 *             cursor and chain say that it stands at P, inside a gap up to R
 * Then a follower goes on as behind any gap: at R every key is exact, and the target is compacted up to there.
 *
 * What cannot be. Nobody can set a key's version or create_revision: they come out right where the key is
 * made anew, or was put more often on the source than on the target. A pod that clients have changed on
 * the target and that lives on is neither, as a rule. Then nothing is changed, and the keys are counted. Where
 * no apiserver had moved there are none.
 *
 * The journal comes first: killed behind it, the target is still one that was rolled back from, and this is done
 * anew. Any other journal is refused by the cursor's gap (othergap.ts) where it does not hold the same.
 * That the write lands at P says that nobody has written to the target since it was read.
 */
import { Backoff, untilAnswered } from '../async/again.js';
import { Patience, type OnNote } from '../async/patience.js';
import { replaceJournal, type AdoptOptions } from '../base/adopt.js';
import { bridge, path } from '../base/bridge.js';
import { describeKey } from '../audit/report.js';
import { hasCode, LockstepError, passes } from '../errors.js';
import { failpoint } from '../failpoint.js';
import { checkIdentity } from '../journal/identity.js';
import { Journal } from '../journal/journal.js';
import type { Gap } from '../journal/state.js';
import { keyOf, parseKeyValue } from '../mvcc/keyvalue.js';
import { PrefixSet, probeKey } from '../mvcc/prefix.js';
import type { Revision } from '../mvcc/revision.js';
import { Tally } from '../mvcc/tally.js';
import { readPrefixes } from '../source/prefixes.js';
import { sideBySide } from '../source/rows.js';
import { CHAIN_KEY, encodeLink, newTerm } from '../target/chain.js';
import { CURSOR_FORMAT, CURSOR_KEY, encodeCursor } from '../target/cursor.js';
import { CUTOVER_KEY, type CutoverState } from '../target/cutoverstate.js';
import { otherRun, OWNER_KEY } from '../target/nightowner.js';
import { foreignWrite } from '../target/stock.js';
import { EtcdTarget, type TargetState } from '../target/target.js';
import { modIs, put } from '../target/txn.js';

interface AgainOptions extends AdoptOptions {
  onNote: OnNote;
}

/**
 * Does nothing to a target that was not rolled back from. The source is not changed.
 * @throws LockstepError GAP_NOT_EXACT where keys cannot be made exact, TARGET_AHEAD, TARGET_OTHER_SOURCE,
 *   JOURNAL_OTHER, OTHER_RUN, WRITTEN_MEANWHILE: the target was not changed; TARGET_FOREIGN_WRITE where
 *   somebody writes there in the moment of the one write
 */
export async function followAgain(options: AgainOptions): Promise<void> {
  const { source, target, onNote } = options;
  const before = await new EtcdTarget(target).read();
  const { cutover, head } = before;
  if (cutover?.state.phase !== 'rolled back') return;
  const { state } = cutover;
  const { clusterId, revision } = await source.head(probeKey(PrefixSet.of(state.prefixes)));
  if (clusterId !== state.source) throw otherSource(state.source, clusterId);
  const position = head + 1;
  // At P itself nothing could be made up, and so nothing be compared.
  if (revision <= position) throw stillAhead(head, revision);
  await refuseOtherJournal(options, state);
  onNote(`the target was rolled back from: taking it into lockstep again, at revision ${position}`);
  const { tally, gap } = await makeJournal(options, state, { position, to: revision });
  failpoint('lockstep.again.journal');
  await refuseWritten(options, head);
  await takeBack(options, before, { position, tally, gap });
  onNote(`the target is in lockstep again: exact from revision ${gap.to} on`);
}

/** Only one of the same source and prefixes may be replaced, or one that is no use. */
async function refuseOtherJournal(
  { journal: directory }: AgainOptions,
  { source, prefixes }: CutoverState,
): Promise<void> {
  try {
    const journal = await Journal.open(directory);
    try {
      checkIdentity(journal, source, PrefixSet.of(prefixes));
    } finally {
      await journal.close();
    }
  } catch (error) {
    if (!hasCode(error, 'JOURNAL_NOT_SEEDED', 'JOURNAL_DAMAGED')) throw error;
  }
}

/** @returns what the target holds, and the gap that the cursor must tell of */
async function makeJournal(
  options: AgainOptions,
  state: CutoverState,
  { position, to }: { position: Revision; to: Revision },
): Promise<{ tally: Tally; gap: Gap }> {
  const { source, signal } = options;
  const [readAt, prefixes] = [position - 1, PrefixSet.of(state.prefixes)];
  const made = { tally: new Tally(), gap: { after: readAt, to } };
  const start = { clusterId: state.source, prefixes, position, readAt };
  await replaceJournal(options, start, async (journal) => {
    made.tally = await journal.tally(position);
    try {
      const bridged = await bridge(source, journal, signal, { atLeast: to });
      made.gap.to = bridged?.to ?? to;
    } catch (error) {
      if (!hasCode(error, 'GAP_NOT_EXACT')) throw error;
      throw await notExact(options, prefixes, { after: readAt, to }, error);
    }
  });
  return made;
}

/** Writes what makes it a target in lockstep, once, however often it takes. */
async function takeBack(
  { target: client, signal }: AgainOptions,
  { cutover, owner, cursor, cursorMod, chainMod, ownWrites }: TargetState,
  { position, tally, gap }: { position: Revision; tally: Tally; gap: Gap },
): Promise<void> {
  const value = encodeCursor({
    ...{ format: CURSOR_FORMAT, revision: position, gap, follower: null },
    ...{ source: cutover?.state.source ?? null, prefixes: cutover?.state.prefixes ?? [] },
    ...{ keys: tally.keys, checksum: tally.hex, ownWrites: ownWrites + 1 },
    at: new Date().toISOString(),
  });
  const compare = [
    modIs(CUTOVER_KEY, cutover?.modRevision ?? 0),
    modIs(OWNER_KEY, owner?.modRevision ?? 0),
    modIs(CURSOR_KEY, cursor ? cursorMod : 0),
    modIs(CHAIN_KEY, chainMod),
  ];
  const success = [
    ...[CUTOVER_KEY, OWNER_KEY].map((key) => ({ requestDeleteRange: { key } })),
    put(CURSOR_KEY, value),
    put(CHAIN_KEY, encodeLink({ term: newTerm(), revision: position })),
  ];
  const backoff = new Backoff(signal);
  while (true) {
    try {
      failpoint('lockstep.again.send');
      await client.txn({ compare, success });
      failpoint('lockstep.again.answer');
      // It has landed now, or when it was sent before.
      const now = await new EtcdTarget(client).read();
      if (now.cutover) throw otherRun(now.owner);
      if (now.cursorMod !== position) throw foreignWrite(position, now.cursorMod);
      return;
    } catch (error) {
      if (!passes(error)) throw error;
      await backoff.rest();
      signal.throwIfAborted();
    }
  }
}

/** The journal took its time, and a lease may have run out. Behind the one write it is too late to say so. */
async function refuseWritten(
  { target, onNote, signal }: AgainOptions,
  head: Revision,
): Promise<void> {
  const ask = () => target.head(CURSOR_KEY);
  const { revision } = await untilAnswered(signal, ask, new Patience(onNote));
  if (revision === head) return;
  throw new LockstepError(
    'WRITTEN_MEANWHILE',
    `the target was written while its journal was made: its head was ${head}, and is ${revision}`,
    {
      side: 'target',
      revision,
      hint: 'Nothing was changed on it. Run the same command again; if it comes again, find who writes there. A lease that runs out writes, too.',
    },
  );
}

const MAX_NAMED = 3;

/** Which keys stand in the way: of a few, somebody may have the pods made anew. */
async function notExact(
  { source, target, signal }: AgainOptions,
  prefixes: PrefixSet,
  { after, to }: Gap,
  cause: LockstepError,
): Promise<LockstepError> {
  let count = 0;
  const named: string[] = [];
  await sideBySide(
    readPrefixes(source, prefixes, { revision: to }),
    readPrefixes(target, prefixes, { revision: after }),
    (there, here): undefined => {
      signal.throwIfAborted();
      if (!there || here?.equals(there)) return;
      try {
        path(here && parseKeyValue(here), parseKeyValue(there), there, { after: after + 1, to });
      } catch {
        count++;
        if (named.length < MAX_NAMED) named.push(describeKey(keyOf(there)).key);
      }
    },
  );
  if (count === 0) return cause;
  return new LockstepError(
    'GAP_NOT_EXACT',
    `the target cannot be taken into lockstep again: ${count} ${count === 1 ? 'key was' : 'keys were'} written there or on the source so that no writes make ${count === 1 ? 'it' : 'them'} exact (${named.join(', ')}${count > named.length ? ', ...' : ''})`,
    {
      revision: to,
      hint: 'Nothing was changed. A version cannot be counted back: each such key must be made anew on the source (pods that are replaced), then the same command does it. Or seed again, into a new journal and a new target.',
      cause,
    },
  );
}

function otherSource(expected: string, actual: string): LockstepError {
  return new LockstepError(
    'TARGET_OTHER_SOURCE',
    `the target was rolled back to source cluster ${expected}; this source is ${actual}`,
    { hint: 'Check --endpoints and --dest-endpoints.' },
  );
}

function stillAhead(target: Revision, source: Revision): LockstepError {
  return new LockstepError(
    'TARGET_AHEAD',
    `the target's head is ${target}, the source's only ${source}: it cannot be followed into before the source has passed it`,
    {
      revision: target,
      hint: "Nothing was changed. Somebody has written to the target since the rollback, or the source was restored from a backup. Where it is neither, run the same command again when the source's head is above that.",
    },
  );
}
