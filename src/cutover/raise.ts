/**
 * Raising the source's head above the target's, for the way back: the one time that the source is
 * written.
 *
 * A marker is put first, under our own prefix, which no Kubernetes resource shares. It guards the
 * fillers and what is brought back, so that a write that comes late, when the rollback is over and the
 * marker gone, has no effect; and its create revision divides the source's rows into those before and
 * those that were brought.
 */
import { LockstepError } from '../errors.js';
import { createdAt, modIs, put } from '../lockstep/txn.js';
import { parseKeyValue } from '../mvcc/keyvalue.js';
import { SLOT_PREFIX } from '../lockstep/guard.js';
import { OWN_PREFIX, prefixRange } from '../mvcc/prefix.js';
import type { Revision } from '../mvcc/revision.js';
import type { EtcdClient } from '../wire/client.js';
import type { etcdserverpb as pb } from '../wire/gen/etcd.js';
import { raiseHead } from './fillers.js';
import type { Heads } from './serving.js';

const MARKER_KEY = Buffer.from(`${OWN_PREFIX}rollback`);

/** Puts the marker, or finds the one of a run before. @returns its create revision */
export async function mark(source: EtcdClient): Promise<Revision> {
  while (true) {
    const { rows } = await source.few({ key: MARKER_KEY });
    if (rows[0]) return parseKeyValue(rows[0]).createRevision;
    const value = Buffer.from(JSON.stringify({ at: new Date().toISOString() }));
    await source.txn({ compare: [modIs(MARKER_KEY, 0)], success: [put(MARKER_KEY, value)] });
  }
}

/**
 * Raises the source's head by `margin` above the target's.
 * @throws LockstepError ROLLBACK_GONE where the marker was taken away meanwhile
 */
export async function raiseSource(
  source: EtcdClient,
  heads: () => Promise<Heads>,
  { marker, margin, signal }: { marker: Revision; margin: number; signal: AbortSignal },
): Promise<void> {
  const { source: at, target } = await heads();
  if (at >= target + margin) return;
  const guard = [marked(marker)];
  const { held } = await raiseHead(source, target + margin, guard, signal);
  signal.throwIfAborted();
  if (held) return;
  throw new LockstepError('ROLLBACK_GONE', 'the rollback on the source was ended by another run', {
    disposition: 'fatal',
    hint: 'Two rollbacks run at once, or one has just ended. `etcd-lockstep status` says where it stands.',
  });
}

/** What a write of the rollback with this marker is guarded by. */
export function marked(marker: Revision): pb.Compare.$Properties {
  return createdAt(MARKER_KEY, marker);
}

/** Takes marker and fillers off the source again; the marker first, so that no filler comes after. */
export async function unmark(source: EtcdClient): Promise<void> {
  await source.txn({ success: [{ requestDeleteRange: { key: MARKER_KEY } }] });
  await source.txn({ success: [{ requestDeleteRange: prefixRange(SLOT_PREFIX) }] });
}
