/**
 * follow --repair, before it follows: a journal that leads on from where the target stands.
 *
 * A journal that does is left as it is. One that is missing, damaged, or lacks what lies above the
 * target's position and the source has no more, is made anew from the target (base/adopt.ts). Gaps in
 * the source's history are bridged later, while following (base/bridge.ts).
 */
import type { OnNote } from '../async/patience.js';
import { adopt, type AdoptOptions } from '../base/adopt.js';
import { hasCode } from '../errors.js';
import { checkIdentity } from '../journal/identity.js';
import { Journal } from '../journal/journal.js';
import { halfBridged } from '../journal/state.js';
import { PrefixSet, probeKey } from '../mvcc/prefix.js';
import { compactRevision } from '../source/compactrevision.js';
import { takeStock, type Stock } from '../target/stock.js';
import { EtcdTarget } from '../target/target.js';
import type { EtcdClient } from '../wire/client.js';
import { fitsInsideGap } from './othergap.js';

interface RepairOptions extends AdoptOptions {
  onNote: OnNote;
}

/**
 * Neither side is changed.
 * @throws LockstepError whatever target/stock.ts refuses a target for, TARGET_NOT_EXACT, JOURNAL_OTHER,
 *   UNAVAILABLE where one of the sides does not answer
 */
export async function repairJournal(options: RepairOptions): Promise<void> {
  const { source, target, journal: directory, onNote } = options;
  const { clusterId } = await source.status();
  const state = await new EtcdTarget(target).read();
  // A target that was taken over needs no journal any more; to tell that is the follower's.
  if (state.cutover) return;
  const prefixes = PrefixSet.of(state.cursor?.prefixes ?? ['/']);
  const stock = takeStock(state, { source: clusterId, prefixes });
  const why = await reasonToAdopt(source, directory, stock);
  if (why === undefined) return;
  onNote(`${why}; making the journal anew from the target at revision ${stock.position}`);
  await adopt(options, stock);
}

async function reasonToAdopt(
  source: EtcdClient,
  directory: string,
  stock: Stock,
): Promise<string | undefined> {
  try {
    const journal = await Journal.open(directory);
    try {
      checkIdentity(journal, stock.cursor.source ?? '', PrefixSet.of(stock.cursor.prefixes));
      // From end to end, so that damage is found now and not in the middle.
      for await (const _ of journal.everything());
      return await whatIsMissing(source, journal, stock);
    } finally {
      await journal.close();
    }
  } catch (error) {
    if (hasCode(error, 'JOURNAL_NOT_SEEDED', 'JOURNAL_DAMAGED')) return error.message;
    throw error;
  }
}

async function whatIsMissing(
  source: EtcdClient,
  journal: Journal,
  { position, cursor }: Stock,
): Promise<string | undefined> {
  const { base, prefixes } = journal.state;
  if (!base.done) return `the base in ${journal.directory} is not complete`;
  if (journal.state.compactRevision > position)
    return `the journal begins at revision ${journal.state.compactRevision}, above the target`;
  // Bridged anew, it would be another history than the target has.
  if (journal.position < position && halfBridged(journal))
    return `the journal ends at revision ${journal.position}, inside a gap, below the target`;
  const key = probeKey(PrefixSet.of(prefixes));
  if (journal.position < position && (await compactRevision(source, key)) > journal.position)
    return `the journal ends at revision ${journal.position}, and the source has compacted what came next`;
  if (!(await fitsInsideGap(journal, position, cursor)))
    return 'the target came into a gap by another journal';
  return undefined;
}
