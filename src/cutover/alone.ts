/** The fence alone: drain, compare, take over, raise, keep; freeze and switch are somebody else's. */
import { randomUUID } from 'node:crypto';
import { LiveAudit } from '../audit/live.js';
import type { StoredCutover } from '../cutoverstate.js';
import { takeStock } from '../lockstep/stock.js';
import { EtcdTarget } from '../lockstep/target.js';
import { PrefixSet, probeKey } from '../mvcc/prefix.js';
import type { Revision } from '../mvcc/revision.js';
import { beside, repeat } from '../tasks.js';
import type { EtcdClient } from '../wire/client.js';
import { untilEqual, untilQuiet } from './drain.js';
import { Fence, overtakenText } from './fence.js';
import { refuseOtherSource } from './phase.js';
import type { Heads } from './serving.js';
import { accountFor, takeOver } from './takeover.js';

export interface FenceAloneOptions {
  source: EtcdClient;
  target: EtcdClient;
  margin: number;
  quietMs: number;
  maxFreezeSeconds: number;
  /** Ends when the margin is there, instead of keeping it. */
  once: boolean;
  go: () => Promise<void>;
  onRaised: (report: FenceReport) => void;
  onKeep: (heads: Heads) => void;
  onNote: (note: string) => void;
  signal: AbortSignal;
}

export interface FenceReport {
  /** The last revision at which the target was the source's exact copy; then keys and checksum. */
  exact: Revision;
  keys: number;
  checksum: string;
  heads: Heads;
}

const SHOW_MS = 1000;

/**
 * Started again, it goes on keeping the fence that it finds.
 * @throws LockstepError NOT_DRAINED where the source is not quiet, or the target not equal, in time
 */
export async function fenceAlone(options: FenceAloneOptions): Promise<void> {
  const { source, target, signal, onRaised, onKeep } = options;
  const found = (await new EtcdTarget(target).read()).cutover;
  if (found) {
    options.onNote(`the target was taken over at revision ${found.exact} already`);
    await refuseOtherSource(source, found.state);
    await accountFor(target, found);
  }
  const stored = found ?? (await drainAndTakeOver(options));
  const { keys, checksum, prefixes } = stored.state;
  const fence = new Fence(source, target, stored, probeKey(PrefixSet.of(prefixes)), options.margin);
  const before = await fence.ask();
  if (found && before.target <= before.source) options.onNote(overtakenText(before));
  const heads = await fence.raise(signal);
  signal.throwIfAborted();
  onRaised({ exact: stored.exact, keys, checksum, heads });
  if (options.once) return;
  let told = false;
  const show = (stop: AbortSignal) =>
    repeat(SHOW_MS, stop, () => {
      if (fence.heads) onKeep(fence.heads);
      if (fence.overtaken && !told) options.onNote(overtakenText(fence.overtaken));
      told = fence.overtaken !== undefined;
      return Promise.resolve();
    });
  await beside(signal, [show], (stop) => fence.keep(stop));
}

/** The live audit begins where the target stands: what came before, `etcd-lockstep audit` has compared. */
async function drainAndTakeOver(options: FenceAloneOptions): Promise<StoredCutover> {
  const { source, target, onNote, signal } = options;
  const state = await new EtcdTarget(target).read();
  const prefixes = state.cursor ? PrefixSet.of(state.cursor.prefixes) : PrefixSet.everything();
  const key = probeKey(prefixes);
  const identity = { source: (await source.head(key)).clusterId, prefixes };
  const { position } = takeStock(state, identity);
  await options.go();
  const live = await LiveAudit.of(source, target, { prefixes, after: position, onNote });
  return beside(signal, [(stop) => live.run(stop)], async (stop) => {
    const since = performance.now();
    const deadline = since + options.maxFreezeSeconds * 1000;
    const drain = { source, key, audit: live, quietMs: options.quietMs, deadline, signal: stop };
    const equal = await untilQuiet(drain, since);
    await untilEqual(drain, equal);
    return takeOver(target, {
      ...identity,
      run: randomUUID(),
      equal,
      frozenAt: null,
      signal: stop,
    });
  });
}
