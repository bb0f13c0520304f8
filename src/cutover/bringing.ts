/**
 * What was changed on the target comes to the source.
 *
 *     quiet ─► drain ───────────────► raise ────────────────────────► all still holds      the short way
 *     quiet ─► has anybody moved? ─► raise ─► bring back ─► compare ─► all still holds     the long way
 *
 * The short way (shortway.ts) is one where the source was kept current. Whatever fails there leads to the long one.
 *
 * Whether anybody has moved is looked at when the target is quiet, because what was under way there is part
 * of the answer. Where nobody has, the source is left as it is; its head is raised all the same, for somebody
 * may have asked the target.
 */
import { pause, untilAnswered } from '../async/again.js';
import type { Attempts } from '../async/patience.js';
import { hasCode, LockstepError } from '../errors.js';
import { failpoint } from '../failpoint.js';
import type { Freeze } from '../kube/freeze.js';
import type { PrefixSet } from '../mvcc/prefix.js';
import type { LateWrites } from '../proof/latewrites.js';
import { anyMoved } from '../proof/anymoved.js';
import { proveAgain, type Proofs } from '../proof/proveagain.js';
import type { Heads } from '../proof/servedfrom.js';
import { isAsTaken } from '../proof/unmoved.js';
import { resourcesIn, type Claim } from '../target/claim.js';
import type { Owner } from '../target/nightowner.js';
import type { Alarms } from './alarms.js';
import {
  bringBack,
  compareContent,
  noneBrought,
  type BringOptions,
  type Brought,
  type LeftByReverse,
} from './bringkeys.js';
import type { NightOptions } from './nightoptions.js';
import { mark, raiseSource, unmark, type Marker } from './raise.js';
import type { ShortWay } from './shortway.js';
import type { StepTeller } from './steps.js';

/** What the way back is told. */
export interface ReturningOptions {
  o: NightOptions;
  self: Owner;
  claim: Claim;
  prefixes: PrefixSet;
  teller: StepTeller;
  alarms: Alarms;
  tell: Attempts;
  shortWay: ShortWay;
}

interface BringingOptions extends ReturningOptions {
  late: LateWrites;
  freeze: Freeze;
  proofs: Proofs;
  heads: () => Promise<Heads>;
  /** Called when what was under way on the target has come to its end. */
  onQuiet: () => void;
  signal: AbortSignal;
}

/** @throws LockstepError WRITTEN_MEANWHILE where somebody writes meanwhile; COMPACTED_MEANWHILE */
export async function bring(
  options: BringingOptions,
): Promise<{ brought: Brought; marker: Marker }> {
  const { o, claim, prefixes, teller, late, proofs, heads, shortWay, signal } = options;
  const { source, target, margin, onEvent } = o;
  await teller.step('quiet', () => untilQuiet(options));
  const drained = shortWay.isOpen && (await teller.step('drain', () => shortWay.drained()));
  failpoint('cutover.rollback.drained');
  const reverse = drained ? undefined : await endReverse(options);
  const unmoved = !drained && (await nobodyMoved(options));
  const nothing = drained || unmoved;
  const marker = await teller.step('raise', async () => {
    const put = await markOwn(options);
    const raise = () => raiseSource(source, heads, { marker: put, margin, signal });
    await untilAnswered(signal, raise, options.tell);
    return put;
  });
  failpoint('cutover.rollback.raised');
  const bringing: BringOptions = {
    ...{ source, target, prefixes, marker, reverse, signal },
    exact: claim.exact,
    onProgress: (keys, changes) => {
      const text = `bringing back: ${keys} keys looked at, ${changes} written`;
      onEvent({ kind: 'progress', text });
    },
  };
  const brought = nothing
    ? { ...noneBrought(), ...shortWay.brought }
    : await teller.step('bring back', () => bringBack(bringing));
  tellReplaced(options, brought);
  if (!nothing) await teller.step('compare', () => refuseDifferent(bringing));
  failpoint('cutover.rollback.brought');
  await proveAgain(proofs, signal);
  refuseLate(late);
  return { brought, marker };
}

/** Puts this run's marker; whoever puts it when all is over takes it off again. */
export async function markOwn({
  o: { source },
  self,
  claim,
  tell,
  signal,
}: ReturningOptions & { signal: AbortSignal }): Promise<Marker> {
  const marker = await untilAnswered(signal, () => mark(source, self.run, claim.exact), tell);
  try {
    await untilAnswered(signal, () => claim.check(), tell);
  } catch (error) {
    if (hasCode(error, 'OTHER_RUN')) await unmark(source, marker);
    throw error;
  }
  return marker;
}

/** On the long way nobody but this run may write to the source. @returns what the reverse has left there */
async function endReverse({
  shortWay,
  tell,
  signal,
}: BringingOptions): Promise<LeftByReverse | undefined> {
  await shortWay.end();
  return untilAnswered(signal, () => shortWay.fence(), tell);
}

async function untilQuiet({ o, late, onQuiet, signal }: BringingOptions): Promise<void> {
  for (let seen = -1; late.count !== seen;) {
    seen = late.count;
    await pause(o.quietMs, signal);
    signal.throwIfAborted();
    await late.passed(signal);
  }
  // It is read with all the rest.
  late.forget();
  onQuiet();
}

async function nobodyMoved({
  o,
  claim,
  prefixes,
  heads,
  tell,
  signal,
}: BringingOptions): Promise<boolean> {
  const { apiservers, target, onNote } = o;
  const resources = resourcesIn(claim);
  if (await anyMoved({ apiservers, resources, heads, tell, signal })) return false;
  const asTaken = () => isAsTaken(target, claim, prefixes, signal);
  if (!(await untilAnswered(signal, asTaken, tell))) return false;
  onNote('no apiserver has moved: the source has everything, nothing is brought back');
  return true;
}

function tellReplaced({ alarms }: BringingOptions, { replaced: { count, keys } }: Brought): void {
  if (count === 0) return;
  alarms.raise(
    `${count} late writes on the source were replaced by what the target has: ${keys.join(', ')}`,
  );
}

/** Still on the target, whatever was written there: begun anew, it is brought as well. */
function refuseLate({ named: [first], count }: LateWrites): void {
  if (!first) return;
  throw new LockstepError(
    'WRITTEN_MEANWHILE',
    `${count} keys were written on the target while it was brought back, first ${first.key} at revision ${first.revision}`,
    {
      side: 'target',
      revision: first.revision,
      hint: 'No apiserver has gone back yet. Run the same command again: it brings that as well. If it comes again, find the writer (`etcd-lockstep freeze probe`).',
    },
  );
}

async function refuseDifferent(options: BringOptions): Promise<void> {
  const { different } = await compareContent(options);
  const [first] = different;
  if (first === undefined) return;
  throw new LockstepError('WRITTEN_MEANWHILE', `source and target differ, first in ${first}`, {
    hint: 'Something was written while it was brought back. Run the same command again.',
  });
}
