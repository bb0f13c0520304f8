/** The fence alone: drain, compare, take over, raise, keep; freeze and switch are somebody else's. */
import { Patience, type OnNote } from '../async/patience.js';
import { beside } from '../async/together.js';
import { LiveAudit } from '../audit/live.js';
import { resourceName } from '../kube/resource.js';
import { resourceIn } from '../kube/resourcefolders.js';
import { PrefixSet, probeKey } from '../mvcc/prefix.js';
import type { Revision } from '../mvcc/revision.js';
import { untilEqual, untilQuiet } from '../proof/drain.js';
import { refuseItself, refuseOtherSource } from '../proof/othersource.js';
import type { Heads } from '../proof/servedfrom.js';
import { Claim, look, type ClaimOptions } from '../target/claim.js';
import { refuseCutOver } from '../target/cutoverstate.js';
import { thisRun } from '../target/nightowner.js';
import { takeStock } from '../target/stock.js';
import type { RaisingPort } from '../target/peerport.js';
import { withPort, type PeersOptions } from '../target/peers.js';
import { EtcdTarget } from '../target/target.js';
import type { EtcdClient } from '../wire/client.js';
import { Alarms } from './alarms.js';
import { Fence, overtakenText } from './fence.js';
import { unbreakable, type OnNightEvent } from './nightevents.js';
import { FENCE_STEPS } from './script.js';
import { StepTeller } from './steps.js';
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
  onEvent: OnNightEvent;
  onNote: OnNote;
  /** From here on nobody else keeps it: no more than what the operator asks for may end the run. */
  onMustGoOn: () => void;
  /** The target's peer ports, where its head may be raised through them. */
  peers?: PeersOptions | undefined;
  signal: AbortSignal;
}

/** What the target is when its head is above the source's. */
export interface FenceReport {
  /** The last revision at which the target was the source's exact copy; then keys and checksum. */
  exact: Revision;
  keys: number;
  checksum: string;
  heads: Heads;
}

/**
 * Started again, it goes on keeping the fence that it finds; who had it before ends.
 * @throws LockstepError NOT_DRAINED where the source is not quiet, or the target not equal, in time;
 *   OTHER_RUN where another run has the night now
 */
export async function fenceAlone(options: FenceAloneOptions): Promise<void> {
  const { target, peers, onNote } = options;
  await withPort(target, peers, onNote, (port) => fence(options, port));
}

async function fence(options: FenceAloneOptions, port: RaisingPort | undefined): Promise<void> {
  const { source, target, margin, signal, onNote, onRaised } = options;
  const onEvent = unbreakable(options.onEvent, onNote);
  const teller = new StepTeller(FENCE_STEPS, onEvent);
  const alarms = new Alarms(onEvent);
  const tell = new Patience(onNote);
  const claiming = { target, self: thisRun('fence'), tell, signal };
  const found = (await new EtcdTarget(target).read()).cutover;
  const claim = found
    ? await goOn(options, claiming)
    : await drainAndTakeOver(options, claiming, teller);
  options.onMustGoOn();
  const { exact, state } = claim;
  onEvent({ kind: 'taken over', exact, state, earlier: found?.state.phase ?? null });
  const key = probeKey(PrefixSet.of(state.prefixes));
  const raised = new Fence({ source, target, claim, key, margin, alarms, onEvent, tell, port });
  await teller.step('raise', async () => {
    const before = await raised.ask();
    if (found && before.target <= before.source) alarms.raise(overtakenText(before));
    const heads = await raised.raise(signal);
    signal.throwIfAborted();
    onRaised({ exact, keys: state.keys, checksum: state.checksum, heads });
  });
  if (!options.once) await teller.step('keep', () => raised.keep(signal));
}

async function goOn({ source, onNote }: FenceAloneOptions, claiming: ClaimOptions): Promise<Claim> {
  const seen = await look(claiming.target);
  const { stored } = seen;
  if (stored.state.phase !== 'fenced' && stored.state.phase !== 'switched')
    throw refuseCutOver(stored);
  onNote(`the target was taken over at revision ${stored.exact} already`);
  await refuseOtherSource(source, claiming.target, stored);
  await accountFor(claiming.target, stored);
  return Claim.take(claiming, seen);
}

/** The live audit begins where the target stands: what came before, `etcd-lockstep audit` has compared. */
async function drainAndTakeOver(
  options: FenceAloneOptions,
  claiming: ClaimOptions,
  teller: StepTeller,
): Promise<Claim> {
  const { source, target, signal, onNote } = options;
  await standing(options);
  await options.go();
  const { identity, key, position } = await standing(options);
  const { prefixes } = identity;
  const live = await LiveAudit.of(source, target, { prefixes, after: position, onNote });
  return beside(signal, [(stop) => live.run(stop)], async (stop) => {
    const deadline = performance.now() + options.maxFreezeSeconds * 1000;
    const drain = { source, key, audit: live, quietMs: options.quietMs, deadline, signal: stop };
    const equal = await teller.step('drain', () => untilQuiet(drain));
    await teller.step('compare', () => untilEqual(drain, equal));
    live.end();
    const resources = resourcesUnder(prefixes);
    const taking = { ...identity, resources, equal, frozenAt: null, signal: stop };
    return teller.step('takeover', () => takeOver(claiming, taking));
  });
}

/** Looked at before go, and again behind it. */
async function standing({ source, target }: FenceAloneOptions) {
  const state = await new EtcdTarget(target).read();
  const prefixes = state.cursor ? PrefixSet.of(state.cursor.prefixes) : PrefixSet.everything();
  const key = probeKey(prefixes);
  const identity = { source: (await source.head(key)).clusterId, prefixes };
  await refuseItself(source, target, state, key);
  const { position } = takeStock(state, identity);
  return { identity, key, position };
}

/** For whoever goes on with it; none where somebody fences what is not Kubernetes'. */
function resourcesUnder({ list }: PrefixSet): string[] {
  const found = list.map(resourceIn);
  return found.flatMap((resource) =>
    resource && !found.includes(undefined) ? resourceName(resource) : [],
  );
}
