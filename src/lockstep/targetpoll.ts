/** While nothing has to be written, nothing else would notice that the target is gone, or another one. */
import { repeat } from '../async/again.js';
import { LockstepError } from '../errors.js';
import type { Revision } from '../mvcc/revision.js';
import type { Position } from '../position.js';
import { CURSOR_KEY } from '../target/cursor.js';
import { takeStock, type Identity } from '../target/stock.js';
import { EtcdTarget } from '../target/target.js';
import type { EtcdClient } from '../wire/client.js';
import type { TargetTrouble } from './targettrouble.js';

const POLL_MS = 2000;

interface TargetPollOptions {
  target: EtcdClient;
  /** What it must be a copy of. */
  identity: Identity;
  /** Where it stands as far as is confirmed; undefined before it was read. */
  position: () => Position | undefined;
  /** What can have come from here. */
  journalPosition: () => Position;
  trouble: TargetTrouble;
  /** Hears how long an answer took. */
  heard: (tookMs: number) => void;
  /** A call failed in a way that passes. */
  failed: (error: LockstepError) => void;
}

/**
 * Looks at it every two seconds until `signal` aborts.
 * @throws LockstepError TARGET_HEAD_OFF where its head went back, and whatever target/stock.ts refuses a
 *   target for
 */
export async function pollTarget(o: TargetPollOptions, signal: AbortSignal): Promise<void> {
  const look = async () => {
    const position = o.position();
    if (position === undefined) return;
    const asked = performance.now();
    const { revision } = await o.target.head(CURSOR_KEY);
    o.heard(performance.now() - asked);
    if (revision < position) throw wentBack(position, revision);
    // Nothing above the journal can come from here. Its next write would notice, too, but on an idle
    // source that may be tomorrow.
    if (revision > o.journalPosition())
      takeStock(await new EtcdTarget(o.target).read(), o.identity);
    o.trouble.answered(revision);
  };
  await repeat(POLL_MS, signal, look, { failed: o.failed, answered: () => undefined });
}

function wentBack(position: Revision, head: Revision): LockstepError {
  return new LockstepError(
    'TARGET_HEAD_OFF',
    `the target's head went back from ${position} to ${head}: it was restored or replaced`,
    {
      revision: head,
      hint: 'Start follow again: it looks at the target anew, and goes on if the journal reaches back so far.',
    },
  );
}
