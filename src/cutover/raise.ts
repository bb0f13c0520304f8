/**
 * Raising the source's head above the target's, for the way back. Nothing else writes to the source but
 * what is brought back behind it, and retire.
 *
 * A marker is put first, under our own prefix, which no Kubernetes resource shares. Its mod_revision
 * guards the fillers and what is brought back: each run writes it anew, so that nothing of another run,
 * dead or slow, has an effect any more; and when the rollback is over it is gone, so that nothing that
 * comes late has one either. Its create revision divides the source's rows into those before and those
 * that were brought, by this run or one before.
 *
 * The marker does not say who has the night. A run that stood still may put it when all is over, so each
 * looks at its claim once more behind that (bringing.ts).
 */
import { z } from 'zod';
import { LockstepError } from '../errors.js';
import { parseKeyValue } from '../mvcc/keyvalue.js';
import { OWN_PREFIX, prefixRange } from '../mvcc/prefix.js';
import type { Revision } from '../mvcc/revision.js';
import type { Heads } from '../proof/servedfrom.js';
import { SLOT_PREFIX } from '../target/guard.js';
import { modIs, put } from '../target/txn.js';
import type { EtcdClient } from '../wire/client.js';
import type { etcdserverpb as pb } from '../wire/gen/etcd.js';
import { raiseHead } from '../target/fillers.js';

const MARKER_KEY = Buffer.from(`${OWN_PREFIX}rollback`);

export interface Marker {
  /** Rows of the source from here on were brought. */
  created: Revision;
  /** What this run's writes are guarded by. */
  guard: pb.Compare.$Properties;
}

const content = z.object({ run: z.string(), exact: z.number(), at: z.string() });

/**
 * Puts the marker, over that of a run before. One of another night, which came too late to be taken
 * away, is removed first: its create revision divides nothing here.
 * @param run of this run
 * @param exact of this night: the last revision at which the target was the source's copy
 */
export async function mark(source: EtcdClient, run: string, exact: Revision): Promise<Marker> {
  const value = Buffer.from(JSON.stringify({ run, exact, at: new Date().toISOString() }));
  while (true) {
    const { rows } = await source.few({ key: MARKER_KEY });
    const there = rows[0] && parseKeyValue(rows[0]);
    const said = there && contentOf(there.value);
    if (there && said?.run === run)
      return { created: there.createRevision, guard: modIs(MARKER_KEY, there.modRevision) };
    const compare = [modIs(MARKER_KEY, there?.modRevision ?? 0)];
    const success =
      there && said?.exact !== exact
        ? [{ requestDeleteRange: { key: MARKER_KEY } }]
        : [put(MARKER_KEY, value)];
    await source.txn({ compare, success });
  }
}

function contentOf(value: Buffer): z.output<typeof content> | undefined {
  try {
    return content.parse(JSON.parse(value.toString()));
  } catch {
    return undefined;
  }
}

/**
 * Raises the source's head by `margin` above the target's.
 * @throws LockstepError ROLLBACK_GONE where another run has put the marker anew, or taken it away
 */
export async function raiseSource(
  source: EtcdClient,
  heads: () => Promise<Heads>,
  { marker, margin, signal }: { marker: Marker; margin: number; signal: AbortSignal },
): Promise<void> {
  const { source: at, target } = await heads();
  if (at >= target + margin) return;
  const { held } = await raiseHead(source, target + margin, [marker.guard], signal);
  signal.throwIfAborted();
  if (!held) throw rollbackGone();
}

function rollbackGone(): LockstepError {
  return new LockstepError(
    'ROLLBACK_GONE',
    'the rollback on the source was taken over or ended by another run',
    {
      hint: 'Two rollbacks run at once, or one has just ended. `etcd-lockstep status` says where it stands.',
    },
  );
}

/**
 * Takes marker and fillers off the source again, if the marker is still this run's; no filler comes after.
 * @param more keys of ours that go with them
 */
export async function unmark(source: EtcdClient, marker: Marker, ...more: Buffer[]): Promise<void> {
  const slots = { requestDeleteRange: prefixRange(SLOT_PREFIX) };
  const keys = [MARKER_KEY, ...more].map((key) => ({ requestDeleteRange: { key } }));
  const success = [...keys, slots];
  await source.txn({ compare: [marker.guard], success });
}
