/**
 * Retire: what was moved is removed from the source, and what is ours from the target.
 *
 *   used       each apiserver lists every resource that was moved out of the target: as many objects as
 *              the target has keys under its prefix, and by the same revisions
 *   verified   the source still holds exactly what was cut over: keys and checksum of the takeover; or, where a
 *              reverse has kept it current, what the target had (keptsource.ts)
 *   removed    page by page, each one transaction that is guarded: no key in it is newer than the
 *              takeover, or than the end of the reverse. So whatever somebody has written since is never
 *              removed unseen.
 *   done       our own keys leave both, but for the state, which says that it is over
 *
 * Killed, it goes on: what is left is removed. It is slow on purpose, because the source serves all
 * the rest of the cluster. Before each page it looks whether the night is still its own.
 */
import { pause, untilAnswered } from '../async/again.js';
import { Patience, type OnNote } from '../async/patience.js';
import { beside } from '../async/together.js';
import { LockstepError } from '../errors.js';
import { failpoint } from '../failpoint.js';
import type { ApiServer } from '../kube/api.js';
import type { Resource } from '../kube/resource.js';
import { keyOf } from '../mvcc/keyvalue.js';
import { keyAfter, prefixRange, PrefixSet, probeKey } from '../mvcc/prefix.js';
import type { Revision } from '../mvcc/revision.js';
import { digest, Tally } from '../mvcc/tally.js';
import { LateWrites } from '../proof/latewrites.js';
import { movedBy, type Moved } from '../proof/movedresources.js';
import { refuseOtherObjects } from '../proof/objects.js';
import { refuseOtherSource } from '../proof/othersource.js';
import { askHeads, servingNow, servingText, type Serving } from '../proof/servedfrom.js';
import { reverseKey } from '../target/reversecursor.js';
import { countKeys, readPrefixes } from '../source/prefixes.js';
import { sideBySide } from '../source/rows.js';
import { Claim, look, type Seen } from '../target/claim.js';
import { CURSOR_KEY } from '../target/cursor.js';
import type { CutoverState } from '../target/cutoverstate.js';
import { CHAIN_KEY } from '../target/chain.js';
import { SLOT_PREFIX } from '../target/guard.js';
import { OWNER_KEY, thisRun } from '../target/nightowner.js';
import { allOlder } from '../target/txn.js';
import type { EtcdClient } from '../wire/client.js';
import type { etcdserverpb as pb } from '../wire/gen/etcd.js';
import { lookAtKept, refuseOtherThanKept, takeKept, type KeptSource } from './keptsource.js';

export interface RetireOptions {
  source: EtcdClient;
  target: EtcdClient;
  /** As the operator names them; undefined: whatever was cut over. */
  resources: readonly Resource[] | undefined;
  apiservers: readonly ApiServer[];
  /** How long the source is watched for writes before anything is removed. */
  watchSeconds: number;
  /** Keys removed in a second, at most. */
  rate: number;
  /** Asked with what would be removed. Resolves to whether it may be. */
  go: (found: RetireFound) => Promise<boolean>;
  onProgress: (text: string) => void;
  onNote: OnNote;
  signal: AbortSignal;
}

/** What is there to be removed. */
export interface RetireFound {
  prefixes: string[];
  resources: string[];
  keys: number;
  bytes: number;
  /** Of these keys; it is the takeover's, unless a run before has removed some already. */
  checksum: string;
  /** Of these keys, those that were deleted on the target since it was cut over. */
  deletedSince: number;
  /** The source was kept current by a reverse up to this revision of the target; null: there was none. */
  reverse: Revision | null;
}

/** The JSON contract in docs/reference.md is made of this. */
export interface RetireReport extends RetireFound {
  /** False for a dry run. */
  removed: boolean;
  /** Revisions of the source that removed them; null where nothing was. */
  revisions: { first: Revision; last: Revision } | null;
  /** Keys and checksum as they were when the target was taken over. */
  cutOver: { keys: number; checksum: string };
  /** Keys under the prefixes on the source afterwards. */
  left: number;
}

/** Keys in one transaction; each becomes a deletion, and all of them one revision. */
const PAGE_KEYS = 100;
const SERVING_TRIES = 20;
const POLL_MS = 100;

/**
 * Where it is retired already that is the result.
 * @throws LockstepError TARGET_OTHER_SOURCE for another source, STILL_USED where an apiserver does not
 *   serve from the target, OTHER_OBJECTS where it lists something else than the target holds, LATE_WRITE
 *   where something was written on the source, TARGET_DIFFERENT where it is not what was cut over,
 *   OTHER_RUN where another run has the night
 */
export async function retire(options: RetireOptions): Promise<RetireReport> {
  const { source, target, onNote, signal } = options;
  const tell = new Patience(onNote);
  const seen = await look(target);
  const { state } = seen.stored;
  if (state.phase === 'retired') return retiredAlready(options, state);
  refusePhase(state);
  const moved = movedBy(state.prefixes, options.resources);
  await refuseOtherSource(source, target, seen.stored);
  const prefixes = PrefixSet.of(state.prefixes);
  await refuseReaders(options, moved);
  const ends = { source, target, prefixes, signal };
  const kept = await lookAtKept(ends, seen.stored.exact);
  // Behind the claim it is looked at when the reverse has ended.
  if (kept && state.phase === 'done') await refuseOtherThanKept(ends, kept);
  if (!kept) await refuseWriters(options, seen, prefixes, tell);
  const found = await lookThrough(options, state, prefixes, kept);
  const report = { ...found, cutOver: { keys: state.keys, checksum: state.checksum } };
  if (!(await options.go(found)))
    return { ...report, removed: false, revisions: null, left: found.keys };
  // Once more: behind the claim there is no way back.
  await refuseReaders(options, moved);
  const now = kept && state.phase === 'done' && (await lookAtKept(ends, seen.stored.exact));
  if (now) await refuseOtherThanKept(ends, now);
  const claim = await Claim.take(
    { target, self: thisRun('retire'), tell, signal },
    seen,
    'retiring',
  );
  const ended = await untilAnswered(signal, () => takeKept(ends, claim.exact), tell);
  failpoint('cutover.retire.verified');
  const upTo = ended?.modRevision ?? claim.exact;
  const revisions = await removeAll(options, claim, { prefixes, upTo, keys: found.keys });
  const left = await countKeys(source, prefixes);
  failpoint('cutover.retire.removed');
  if (left > 0) throw wroteMeanwhile(`${left} keys are left under the prefixes`);
  await untilAnswered(signal, () => reverseGoes(source, prefixes), tell);
  await claim.write('retired', ownKeysGo());
  failpoint('cutover.retire.done');
  return { ...report, removed: true, revisions, left };
}

async function retiredAlready(
  { source, onNote }: RetireOptions,
  { prefixes, resources, keys, checksum }: CutoverState,
): Promise<RetireReport> {
  onNote('it was retired already');
  const none = { keys: 0, bytes: 0, checksum: new Tally().hex, deletedSince: 0, reverse: null };
  const left = await countKeys(source, PrefixSet.of(prefixes));
  const cutOver = { keys, checksum };
  return { ...{ prefixes, resources, ...none, cutOver, left }, removed: true, revisions: null };
}

function refusePhase({ phase }: CutoverState): void {
  if (phase === 'done' || phase === 'retiring') return;
  throw new LockstepError('STILL_USED', `the cutover is not done: it is ${phase}`, {
    hint: phase.endsWith('back')
      ? 'The source serves again. Nothing of it may be removed.'
      : 'Run `etcd-lockstep cutover` to its end first.',
  });
}

/** Each apiserver has every resource from the target, and the target has what it lists. */
async function refuseReaders(
  { source, target, apiservers, signal }: RetireOptions,
  moved: readonly Moved[],
): Promise<void> {
  const key = probeKey(PrefixSet.of(moved.map(({ prefix }) => prefix)));
  const resources = moved.map(({ resource }) => resource);
  for (const api of apiservers) {
    let one: Serving = { apiserver: api.url, from: 'unclear' };
    // The heads of both may be too near to each other for a moment.
    for (let tries = 0; tries < SERVING_TRIES && one.from === 'unclear'; tries++) {
      one = await servingNow(api, resources, () => askHeads(source, target, key));
      if (one.from === 'unclear') await pause(POLL_MS, signal);
      signal.throwIfAborted();
    }
    if (one.from !== 'target') throw stillUsed(one);
    await refuseOtherObjects(target, api, moved);
  }
}

function stillUsed(one: Serving): LockstepError {
  return new LockstepError(
    'STILL_USED',
    `${one.apiserver}: ${servingText(one)}, not from the target`,
    {
      hint: 'Nothing was removed. Move it, or take it out of --apiservers if it is no more.',
    },
  );
}

/** Everything since the takeover is looked at, and what comes for a while. */
async function refuseWriters(
  { source, watchSeconds, signal, onNote, onProgress }: RetireOptions,
  { stored: { exact, state } }: Seen,
  prefixes: PrefixSet,
  tell: Patience,
): Promise<void> {
  // Our own deletions are no writes.
  if (state.phase === 'retiring') return;
  const late = new LateWrites({
    ...{ client: source, clusterId: state.source, prefixes, after: exact, tell },
    onWrite: () => undefined,
    onNote,
  });
  const until = performance.now() + watchSeconds * 1000;
  await beside(signal, [(stop) => late.run(stop)], async (stop) => {
    while (performance.now() < until && late.count === 0) {
      stop.throwIfAborted();
      onProgress('watching the source for writes under the prefixes');
      await pause(POLL_MS, stop);
    }
    await late.passed(stop);
  });
  const [first] = late.named;
  if (first)
    throw wroteMeanwhile(
      `${late.count} late ${late.count === 1 ? 'write' : 'writes'} since the cutover, first ${first.key} at revision ${first.revision}`,
    );
}

function wroteMeanwhile(what: string): LockstepError {
  return new LockstepError('LATE_WRITE', `the source was written: ${what}`, {
    hint: 'Nothing was removed that is newer than the cutover. Find out who writes there, and bring over by hand what is needed: docs/cutover.md, "A late write".',
  });
}

/** Reads all that is there and holds it against what was cut over, and against what the target has. */
async function lookThrough(
  { source, target, signal, onProgress }: RetireOptions,
  state: CutoverState,
  prefixes: PrefixSet,
  kept: KeptSource | undefined,
): Promise<RetireFound> {
  const tally = new Tally();
  let [bytes, deletedSince] = [0, 0];
  const { revision } = await source.head(probeKey(prefixes));
  await sideBySide(
    readPrefixes(source, prefixes, { revision }),
    readPrefixes(target, prefixes, { keysOnly: true }),
    (there, here): undefined => {
      signal.throwIfAborted();
      if (!there) return;
      tally.add(digest(there));
      bytes += there.length;
      if (!here) deletedSince++;
    },
    () => {
      onProgress(`verifying: ${tally.keys} of ${state.keys} keys read`);
    },
  );
  const same = tally.keys === state.keys && tally.hex === state.checksum;
  if (!same && !kept && state.phase !== 'retiring')
    throw new LockstepError(
      'TARGET_DIFFERENT',
      `the source holds ${tally.keys} keys (${tally.hex}), and ${state.keys} (${state.checksum}) were cut over`,
      {
        hint: 'Nothing was removed. Something was deleted or written there since: find out what before you go on.',
      },
    );
  const { resources } = state;
  const [keys, checksum] = [tally.keys, tally.hex];
  const reverse = kept?.cursor.revision ?? null;
  return { prefixes: [...prefixes.list], resources, keys, bytes, checksum, deletedSince, reverse };
}

async function removeAll(
  { source, rate, signal, onProgress }: RetireOptions,
  claim: Claim,
  { prefixes, upTo, keys }: { prefixes: PrefixSet; upTo: Revision; keys: number },
): Promise<RetireReport['revisions']> {
  const revisions: Revision[] = [];
  let removed = 0;
  const started = performance.now();
  // No page ends in one prefix and begins in another: what lies between two prefixes stays.
  for await (const { rows } of readPrefixes(source, prefixes, { keysOnly: true }))
    for (let i = 0; i < rows.length; i += PAGE_KEYS) {
      signal.throwIfAborted();
      const page = rows.slice(i, i + PAGE_KEYS);
      await claim.check();
      const answer = await source.txn(removal(page, upTo));
      if (!answer.succeeded) throw wroteMeanwhile('a key in it is newer than the cutover');
      revisions[removed === 0 ? 0 : 1] = answer.revision;
      removed += page.length;
      onProgress(`removing: ${removed} of ${keys} keys`);
      await pause(Math.max(0, (removed / rate) * 1000 - (performance.now() - started)), signal);
    }
  const [first, last = first] = revisions;
  return first === undefined || last === undefined ? null : { first, last };
}

const NONE = Buffer.alloc(0);

/** These keys and whatever lies between them, if none of it is newer than that. */
function removal(rows: readonly Buffer[], upTo: Revision): pb.TxnRequest.$Properties {
  const [first = NONE, last = NONE] = [rows[0], rows.at(-1)];
  const range = { key: keyOf(first), rangeEnd: keyAfter(keyOf(last)) };
  return {
    compare: [allOlder(range, upTo + 1)],
    success: [{ requestDeleteRange: range }],
  };
}

/** What a reverse has of its own on the source. */
async function reverseGoes(source: EtcdClient, prefixes: PrefixSet): Promise<void> {
  const cursor = { requestDeleteRange: { key: reverseKey(prefixes) } };
  await source.txn({ success: [cursor, { requestDeleteRange: prefixRange(SLOT_PREFIX) }] });
}

/** Cursor, chain, slots and owner; what mirrors have there is theirs. */
function ownKeysGo(): pb.RequestOp.$Properties[] {
  const single = [CURSOR_KEY, CHAIN_KEY, OWNER_KEY].map((key) => ({ requestDeleteRange: { key } }));
  return [...single, { requestDeleteRange: prefixRange(SLOT_PREFIX) }];
}
