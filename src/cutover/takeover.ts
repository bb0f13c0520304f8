/**
 * Taking the target over: the last write in lockstep, after which no follower writes any more.
 *
 * It puts the cutover's state, its owner and the chain's end, guarded by the cursor as read and by there
 * being no state yet. So:
 *   - no data has landed since the read, and what a follower has on its way is void from now on;
 *   - a follower that looks again finds the state and ends (target/stock.ts);
 *   - of two runs that take over at once one does, and the other one finds whose it is.
 * Fillers may land between the read and the write. On a busy source one does in every millisecond, so
 * slots and chain are not guarded, as they are where a follower begins a term; instead the state before the
 * write is read again when it has landed, and accounted for to the last revision as a follower would. A
 * run that is killed in between leaves that to the next one, and its state may be compacted away by then;
 * but nobody raises the head before it is done, so until then the slots are as they were.
 */
import { Backoff } from '../async/again.js';
import { hasCode, LockstepError, passes } from '../errors.js';
import { failpoint } from '../failpoint.js';
import { parseKeyValue } from '../mvcc/keyvalue.js';
import { PrefixSet } from '../mvcc/prefix.js';
import type { Revision } from '../mvcc/revision.js';
import { Tally } from '../mvcc/tally.js';
import { CHAIN_KEY, encodeLink } from '../target/chain.js';
import { Claim, type ClaimOptions } from '../target/claim.js';
import { CURSOR_KEY, cursorTally, parseCursor } from '../target/cursor.js';
import { CUTOVER_KEY, newCutover, type StoredCutover } from '../target/cutoverstate.js';
import { encodeOwner, otherRun, OWNER_KEY } from '../target/nightowner.js';
import { takeStock, type Identity, type Stock } from '../target/stock.js';
import { EtcdTarget, type TargetState } from '../target/target.js';
import { modIs, put } from '../target/txn.js';
import type { EtcdClient } from '../wire/client.js';

interface TakeoverOptions extends Identity {
  /** As kubectl names them. */
  resources: readonly string[];
  /** Up to here both sides were found equal, and above it nothing was written under the prefixes. */
  equal: Revision;
  frozenAt: Date | null;
  /** Ends the tries; the claim outlives it. */
  signal: AbortSignal;
}

/**
 * @param claiming the target, and the run that has the night from then on
 * @returns its claim
 * @throws LockstepError NOT_DRAINED where data was written above `equal`, OTHER_RUN where another run
 *   was faster, and all that takes stock; the signal's reason, where nothing was written
 */
export async function takeOver(claiming: ClaimOptions, options: TakeoverOptions): Promise<Claim> {
  const { target: client, self, tell } = claiming;
  const { signal } = options;
  const target = new EtcdTarget(client);
  const backoff = new Backoff(signal);
  while (true) {
    try {
      const state = await target.read();
      if (state.cutover) {
        if (state.owner?.owner.run !== self.run) throw otherRun(state.owner);
        await accountFor(client, state.cutover);
        tell.answered();
        return new Claim(claiming, state.cutover, state.owner.modRevision);
      }
      await write(claiming, takeStock(state, options), options);
      failpoint('cutover.takeover.answer');
    } catch (error) {
      // Whether it took effect shows when the target is read again.
      if (!passes(error)) throw error;
      if (hasCode(error, 'NOT_DRAINED') || signal.aborted) throw error;
      tell.failed(error);
      await backoff.rest();
    }
  }
}

async function write(
  { target: client, self }: ClaimOptions,
  stock: Stock,
  options: TakeoverOptions,
): Promise<void> {
  const { source, prefixes, resources, frozenAt } = options;
  const { cursor, tally } = stock;
  if (!tally.equals(await tallyAt(client, options.equal))) throw notDrained(options.equal);
  // The last moment at which to stop changes nothing.
  options.signal.throwIfAborted();
  failpoint('cutover.takeover.send');
  await client.txn({
    compare: [modIs(CUTOVER_KEY, 0), modIs(CURSOR_KEY, cursor.revision)],
    success: [
      put(
        CUTOVER_KEY,
        newCutover({
          phase: 'fenced',
          source,
          prefixes: [...prefixes.list],
          resources: [...resources],
          keys: cursor.keys,
          checksum: cursor.checksum,
          frozenAt: frozenAt?.toISOString() ?? null,
          fencedAt: new Date().toISOString(),
        }),
      ),
      put(OWNER_KEY, encodeOwner(self)),
      put(CHAIN_KEY, CHAINS_END),
    ],
  });
}

/** Nothing is behind it. Whether fillers land before it is not known, and so neither is its revision. */
const CHAINS_END = encodeLink({ term: 'taken-over', revision: 0 });

/** What the cursor said then. A follower also writes cursors without data, so its revision says little. */
async function tallyAt(client: EtcdClient, revision: Revision): Promise<Tally> {
  const { rows } = await client.few({ key: CURSOR_KEY, revision });
  return rows[0] ? cursorTally(parseCursor(parseKeyValue(rows[0]).value)) : new Tally();
}

/**
 * Accounts for the target's last revision before it was taken over.
 * @throws LockstepError TARGET_HEAD_OFF where somebody else had written just then
 */
export async function accountFor(
  client: EtcdClient,
  { exact, state }: StoredCutover,
): Promise<void> {
  const { source } = state;
  const before = await stateAt(new EtcdTarget(client), exact);
  if (before) takeStock(before, { source, prefixes: PrefixSet.of(state.prefixes) });
}

/**
 * What was ours then. Where that is compacted away: what is ours now, as long as nothing was raised;
 * undefined where it was, for then a run has accounted for it and gone on.
 */
async function stateAt(target: EtcdTarget, exact: Revision): Promise<TargetState | undefined> {
  try {
    return await target.read(exact);
  } catch (error) {
    if (!hasCode(error, 'COMPACTED')) throw error;
    const now = await target.read();
    const raised = now.slotMods.some((mod) => mod > exact);
    if (raised) return undefined;
    // The chain's end is the one write that came since.
    const ownWrites = now.ownWrites - 1;
    return { ...now, head: exact, cutover: undefined, ownWrites, chainMod: 0, link: undefined };
  }
}

function notDrained(equal: Revision): LockstepError {
  return new LockstepError(
    'NOT_DRAINED',
    `keys under the prefixes were written after revision ${equal}, up to which both sides were found equal`,
    {
      revision: equal,
      hint: 'Something still writes them: run `etcd-lockstep freeze probe`, and then the same command again.',
    },
  );
}
