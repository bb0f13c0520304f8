/**
 * Retire: what was moved is removed from the source, and what is ours from the target.
 *
 *   verified   the source still holds exactly what was cut over: keys and checksum of the takeover
 *   removed    page by page, each one transaction that is guarded: no key in it is newer than the
 *              takeover. So whatever somebody has written since is never removed unseen.
 *   done       our own keys leave the target, the state last
 *
 * Killed, it goes on: what is left is removed. It is slow on purpose, because the source serves all
 * the rest of the cluster.
 */
import { pause } from '../backoff.js';
import type { CutoverState, StoredCutover } from '../cutoverstate.js';
import { LockstepError } from '../errors.js';
import { failpoint } from '../failpoint.js';
import type { ApiServer } from '../kube/api.js';
import type { Resource } from '../kube/resource.js';
import { EtcdTarget } from '../lockstep/target.js';
import { allOlder } from '../lockstep/txn.js';
import { keyOf } from '../mvcc/keyvalue.js';
import { digest, Tally } from '../mvcc/tally.js';
import { OWN_PREFIX, prefixRange, PrefixSet, probeKey } from '../mvcc/prefix.js';
import type { Revision } from '../mvcc/revision.js';
import { readPages } from '../source/pages.js';
import { beside } from '../tasks.js';
import type { EtcdClient } from '../wire/client.js';
import type { etcdserverpb as pb } from '../wire/gen/etcd.js';
import { LateWrites } from './late.js';
import { refuseOtherSource, setPhase } from './phase.js';
import { askHeads, servingNow } from './serving.js';

export interface RetireOptions {
  source: EtcdClient;
  target: EtcdClient;
  resources: readonly Resource[];
  apiservers: readonly ApiServer[];
  /** How long the source is watched for writes before anything is removed. */
  watchSeconds: number;
  /** Keys removed in a second, at most. */
  rate: number;
  /** Asked with what would be removed. Resolves to whether it may be. */
  go: (found: RetireFound) => Promise<boolean>;
  onProgress: (text: string) => void;
  signal: AbortSignal;
}

/** What is there to be removed. */
export interface RetireFound {
  prefixes: string[];
  keys: number;
  bytes: number;
  /** Of these keys; it is the takeover's, unless a run before has removed some already. */
  checksum: string;
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
 * @throws LockstepError TARGET_OTHER_SOURCE for another source, STILL_USED where an apiserver does not serve from the target, LATE_WRITE where
 *   something was written on the source, TARGET_DIFFERENT where it is not what was cut over
 */
export async function retire(options: RetireOptions): Promise<RetireReport> {
  const { source, target } = options;
  const stored = (await new EtcdTarget(target).read()).cutover;
  if (!stored) throw nothingToRetire();
  const { state } = stored;
  refusePhase(state);
  await refuseOtherSource(source, state);
  const prefixes = PrefixSet.of(state.prefixes);
  await refuseReaders(options, prefixes);
  await refuseWriters(options, stored, prefixes);
  const found = await look(options, state, prefixes);
  const report = { ...found, cutOver: { keys: state.keys, checksum: state.checksum } };
  if (!(await options.go(found)))
    return { ...report, removed: false, revisions: null, left: found.keys };
  await setPhase(target, 'retiring', options.signal);
  failpoint('retire.verified');
  const revisions = await removeAll(options, stored, prefixes, found.keys);
  const left = await count(source, prefixes);
  failpoint('retire.removed');
  if (left > 0) throw wroteMeanwhile(`${left} keys are left under the prefixes`);
  await removeOwn(target);
  failpoint('retire.done');
  return { ...report, removed: true, revisions, left };
}

function nothingToRetire(): LockstepError {
  return new LockstepError('TARGET_NOT_OURS', 'the target has no cutover to be retired', {
    disposition: 'fatal',
    hint: 'It was retired already, or it was never cut over. Check --dest-endpoints.',
  });
}

function refusePhase({ phase }: CutoverState): void {
  if (phase === 'done' || phase === 'retiring') return;
  throw new LockstepError('STILL_USED', `the cutover is not done: it is ${phase}`, {
    disposition: 'fatal',
    hint: phase.endsWith('back')
      ? 'The source serves again. Nothing of it may be removed.'
      : 'Run `etcd-lockstep cutover` to its end first.',
  });
}

async function refuseReaders(
  { source, target, apiservers, resources, signal }: RetireOptions,
  prefixes: PrefixSet,
): Promise<void> {
  const heads = () => askHeads(source, target, probeKey(prefixes));
  for (const api of apiservers) {
    let from = 'unclear';
    // The heads of both may be too near to each other for a moment.
    for (let tries = 0; tries < SERVING_TRIES && from === 'unclear'; tries++) {
      ({ from } = await servingNow(api, resources, heads));
      if (from === 'unclear') await pause(POLL_MS, signal);
    }
    if (from === 'target') continue;
    throw new LockstepError(
      'STILL_USED',
      `${api.url}: ${from === 'does not answer' ? from : `serves from ${from}`}, not from the target`,
      {
        disposition: 'fatal',
        hint: 'Nothing was removed. Move it, or take it out of --apiservers if it is no more.',
      },
    );
  }
}

/** Everything since the takeover is looked at, and what comes for a while. */
async function refuseWriters(
  { source, watchSeconds, signal, onProgress }: RetireOptions,
  { exact, state }: StoredCutover,
  prefixes: PrefixSet,
): Promise<void> {
  // Our own deletions are no writes.
  if (state.phase === 'retiring') return;
  const late = new LateWrites(source, prefixes, exact, () => undefined);
  const until = performance.now() + watchSeconds * 1000;
  const { revision } = await source.head(probeKey(prefixes));
  await beside(signal, [(stop) => late.run(stop)], async (stop) => {
    while (late.position < revision || performance.now() < until) {
      stop.throwIfAborted();
      onProgress('watching the source for writes under the prefixes');
      await pause(POLL_MS, stop);
      if (late.count > 0) break;
    }
  });
  const [first] = late.named;
  if (first)
    throw wroteMeanwhile(
      `${late.count} late ${late.count === 1 ? 'write' : 'writes'} since the cutover, first ${first.key} at revision ${first.revision}`,
    );
}

function wroteMeanwhile(what: string): LockstepError {
  return new LockstepError('LATE_WRITE', `the source was written: ${what}`, {
    disposition: 'fatal',
    hint: 'Nothing was removed that is newer than the cutover. Find out who writes there, and bring over by hand what is needed: docs/cutover.md, "A late write".',
  });
}

/** Reads all that is there and holds it against what was cut over. */
async function look(
  { source, signal, onProgress }: RetireOptions,
  state: CutoverState,
  prefixes: PrefixSet,
): Promise<RetireFound> {
  const tally = new Tally();
  let bytes = 0;
  const { revision } = await source.head(probeKey(prefixes));
  for (const prefix of prefixes.list)
    for await (const { rows, remaining } of readPages(source, prefixRange(prefix), revision)) {
      signal.throwIfAborted();
      for (const row of rows) {
        tally.add(digest(row));
        bytes += row.length;
      }
      onProgress(`verifying: ${tally.keys} keys read, ${remaining - rows.length} to go`);
    }
  const same = tally.keys === state.keys && tally.hex === state.checksum;
  if (!same && state.phase !== 'retiring')
    throw new LockstepError(
      'TARGET_DIFFERENT',
      `the source holds ${tally.keys} keys (${tally.hex}), and ${state.keys} (${state.checksum}) were cut over`,
      {
        disposition: 'fatal',
        hint: 'Nothing was removed. Something was deleted or written there since: find out what before you go on.',
      },
    );
  return { prefixes: [...prefixes.list], keys: tally.keys, bytes, checksum: tally.hex };
}

async function removeAll(
  { source, rate, signal, onProgress }: RetireOptions,
  { exact }: StoredCutover,
  prefixes: PrefixSet,
  keys: number,
): Promise<RetireReport['revisions']> {
  const revisions: Revision[] = [];
  let removed = 0;
  const started = performance.now();
  for (const prefix of prefixes.list) {
    const range = prefixRange(prefix);
    while (true) {
      signal.throwIfAborted();
      const page = await source.range({ ...range, limit: PAGE_KEYS, keysOnly: true });
      if (page.rows.length === 0) break;
      const answer = await source.txn(removal(page.rows, exact));
      if (!answer.succeeded) throw wroteMeanwhile('a key in it is newer than the cutover');
      revisions[removed === 0 ? 0 : 1] = answer.revision;
      removed += page.rows.length;
      onProgress(`removing: ${removed} of ${keys} keys`);
      await pause(Math.max(0, (removed / rate) * 1000 - (performance.now() - started)), signal);
    }
  }
  const [first, last = first] = revisions;
  return first === undefined || last === undefined ? null : { first, last };
}

const NONE = Buffer.alloc(0);
/** Makes of a key the end of a range that still holds it. */
const BEHIND = Buffer.from([0]);

/** These keys and whatever lies between them, if none of it is newer than the takeover. */
function removal(rows: readonly Buffer[], exact: Revision): pb.TxnRequest.$Properties {
  const [first = NONE, last = NONE] = [rows[0], rows.at(-1)];
  const range = { key: keyOf(first), rangeEnd: Buffer.concat([keyOf(last), BEHIND]) };
  return {
    compare: [allOlder(range, exact + 1)],
    success: [{ requestDeleteRange: range }],
  };
}

async function count(source: EtcdClient, prefixes: PrefixSet): Promise<number> {
  let keys = 0;
  for (const prefix of prefixes.list)
    keys += (await source.range({ ...prefixRange(prefix), limit: 1, keysOnly: true })).count;
  return keys;
}

/** Cursor, fence, slots and state, in one transaction. */
async function removeOwn(target: EtcdClient): Promise<void> {
  await target.txn({ success: [{ requestDeleteRange: prefixRange(OWN_PREFIX) }] });
}
