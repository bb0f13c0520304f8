/**
 * bridge: over a gap in the source's history.
 *
 * The journal has everything up to J, and the source has compacted up to C > J: what happened in
 * between is gone. What the source holds at C can still be read, and from both a history can be made
 * that ends in exactly that: every key with its mod_revision, create_revision, version and lease. It
 * is appended to the journal as if it had been captured, and all that follows goes its usual way.
 *
 * How a key at C, created at c, put for the v-th time at m, comes to be:
 *   unchanged since J       nothing
 *   same c, had version w   v - w puts: the last at m, the others spread over (J, m), of what is there
 *   created since           at c, then at m, the other v - 2 spread over (c, m); was there another
 *                           one before it, that is deleted at J + 1
 *   gone                    deleted at some revision of (J, C]
 *
 * It always fits, because the source has done it: its own puts took as many different revisions
 * between the same bounds. A key for which it does not fit was not written by this history, and that
 * is an error before anything is appended. The same holds for a bridge that begins inside an earlier
 * one that was cut short: that one's beginning and what the source did afterwards are a history, too.
 *
 * What is not the source's: states between J and C, and the order inside its revisions. The follower
 * compacts the target up to C as soon as it stands there, as the source is; the cursor keeps the mark.
 *
 * Tried and dropped: only the keys, then values of those that have changed (a Range that filters by
 * mod_revision loads the whole prefix into the server's memory at once). Reading the prefixes once,
 * page by page, costs the source as much as an audit does.
 */
import { hasCode, LockstepError } from '../errors.js';
import { failpoint } from '../failpoint.js';
import { scratchOf, type Journal } from '../journal/journal.js';
import { halfBridged, type Gap } from '../journal/state.js';
import { encodeKeyValue, parseKeyValue, type KeyValue } from '../mvcc/keyvalue.js';
import { PrefixSet, probeKey } from '../mvcc/prefix.js';
import { recordBytes, type Record, type WholeRevision } from '../mvcc/record.js';
import type { Revision } from '../mvcc/revision.js';
import { digest, Tally } from '../mvcc/tally.js';
import { proven } from '../position.js';
import { compactRevision } from '../source/compactrevision.js';
import { readPrefixes } from '../source/prefixes.js';
import type { EtcdClient } from '../wire/client.js';
import { withScratch, type Scratch } from './scratch.js';

/** What was made up. */
export interface Bridged extends Gap {
  puts: number;
  deletions: number;
}

type OnKeys = (keys: number) => void;

/** How often it is begun anew because the source compacted while it was read. */
const MAX_STARTS = 5;
const APPEND_BYTES = 4 * 1024 * 1024;
/** Rows that go to or come from the scratch store at once. */
const BATCH = 1000;

/**
 * Brings the journal from its position to the source's compact revision; nothing else may append to
 * it meanwhile. Memory stays flat: the plan lies in a scratch store beside the journal.
 * @param more `onRead`: called with how many keys were read from the source; `atLeast`: farther than that, where
 *   what the journal holds is not what the source had there. One that was cut short is bridged to its end, whatever
 *   the source still has
 * @returns undefined where there is no gap
 * @throws LockstepError GAP_NOT_EXACT for a key that cannot be made exact; the journal is as it was
 */
export async function bridge(
  client: EtcdClient,
  journal: Journal,
  signal: AbortSignal,
  more: { onRead?: OnKeys; atLeast?: Revision } = {},
): Promise<Bridged | undefined> {
  const { onRead = () => undefined, atLeast = 0 } = more;
  const key = probeKey(PrefixSet.of(journal.state.prefixes));
  for (let start = 1; ; start++) {
    const compacted = await compactRevision(client, key);
    const gap = {
      after: journal.position,
      to: Math.max(compacted, atLeast, halfBridged(journal)?.to ?? 0),
    };
    if (gap.to <= gap.after) return undefined;
    try {
      return await withScratch(scratchOf(journal.directory), async (scratch) => {
        const bridged = await plan(client, journal, gap, scratch, signal, onRead);
        failpoint('base.bridge.planned');
        await journal.declareGap(gap);
        failpoint('base.bridge.declared');
        await append(journal, gap, scratch);
        return bridged;
      });
    } catch (error) {
      if (!hasCode(error, 'COMPACTED') || start === MAX_STARTS) throw error;
    }
  }
}

/** What to tell of it. */
export function bridgedNote({ after, to, puts, deletions }: Bridged): string {
  return `bridged revisions ${after + 1} to ${to} with ${puts} puts and ${deletions} deletions: at ${to} every key is as on the source, the history in between is not`;
}

/** Reads the source at `gap.to` and writes into the scratch store which records lead there. */
async function plan(
  client: EtcdClient,
  journal: Journal,
  gap: Gap,
  scratch: Scratch,
  signal: AbortSignal,
  onRead: OnKeys,
): Promise<Bridged> {
  const planned = new BridgePlan(scratch);
  const source = new Tally();
  const outcome = await journal.tally(gap.after);
  for await (const { now, bytes } of rowsAt(client, journal, gap.to)) {
    signal.throwIfAborted();
    source.add(digest(bytes));
    onRead(source.keys);
    await planned.see(now.key);
    // Looking up what it was costs most; whether all others are as they were, the sum tells.
    if (now.modRevision <= gap.after) continue;
    const before = await journal.rowBefore(now.key, gap.after + 1);
    if (before) outcome.remove(digest(before));
    outcome.add(digest(bytes));
    const records = path(before && parseKeyValue(before), now, bytes, gap);
    for (const record of records) await planned.add(record);
  }
  await planDeletions(journal, gap, planned, outcome);
  if (!outcome.equals(source)) throw await findDifferent(client, journal, gap);
  return { ...gap, puts: planned.puts, deletions: planned.deletions };
}

async function planDeletions(
  journal: Journal,
  gap: Gap,
  planned: BridgePlan,
  outcome: Tally,
): Promise<void> {
  await planned.flush();
  let gone = 0;
  for await (const { key, digest: old } of planned.unseen(journal.liveKeys(gap.after))) {
    outcome.remove(old);
    // Spread, as far as there is room, so that none of the transactions becomes too large.
    await planned.add(deletion(key, gap.after + 1 + (gone++ % (gap.to - gap.after))));
  }
  await planned.flush();
}

async function* rowsAt(
  client: EtcdClient,
  journal: Journal,
  revision: Revision,
): AsyncGenerator<{ now: KeyValue; bytes: Buffer }> {
  const prefixes = PrefixSet.of(journal.state.prefixes);
  for await (const { rows } of readPrefixes(client, prefixes, { revision }))
    for (const bytes of rows) yield { now: parseKeyValue(bytes), bytes };
}

/** The sums differ: which key is not what the journal has, although it was not changed since? */
async function findDifferent(
  client: EtcdClient,
  journal: Journal,
  gap: Gap,
): Promise<LockstepError> {
  for await (const { now, bytes } of rowsAt(client, journal, gap.to)) {
    if (now.modRevision > gap.after) continue;
    const before = await journal.rowBefore(now.key, gap.after + 1);
    if (!before?.equals(bytes)) return notExact(now.key, now.modRevision);
  }
  return notExact(Buffer.from('a key'), gap.to);
}

/** The records that make `now` out of `before`. */
export function path(
  before: KeyValue | undefined,
  now: KeyValue,
  bytes: Buffer,
  { after }: Gap,
): Record[] {
  const { key, createRevision: c, modRevision: m, version: v } = now;
  const last: Record = { main: m, sub: 0, tombstone: false, key, bytes };
  if (before?.createRevision === c) {
    const puts = v - before.version;
    check(puts >= 1 && puts <= m - after, key, m);
    const between = spread(after, m, puts - 1).map((main, i) =>
      put({ ...before, modRevision: main, version: before.version + 1 + i }),
    );
    return [...between, last];
  }
  check(c > (before ? after + 1 : after) && v >= 1 && v - 1 <= m - c && (v > 1 || m === c), key, m);
  const deleted = before ? [deletion(key, after + 1)] : [];
  if (v === 1) return [...deleted, last];
  const between = [c, ...spread(c, m, v - 2)].map((main, i) =>
    put({ ...now, modRevision: main, version: 1 + i }),
  );
  return [...deleted, ...between, last];
}

/** So many different revisions, evenly, strictly between the two. */
function spread(low: Revision, high: Revision, count: number): Revision[] {
  const step = (high - low) / (count + 1);
  return Array.from({ length: count }, (_, i) => low + Math.floor(step * (i + 1)));
}

function put(kv: KeyValue): Record {
  const bytes = encodeKeyValue(kv);
  return { main: kv.modRevision, sub: 0, tombstone: false, key: kv.key, bytes };
}

function deletion(key: Buffer, main: Revision): Record {
  return { main, sub: 0, tombstone: true, key, bytes: encodeKeyValue({ key }) };
}

function check(fits: boolean, key: Buffer, revision: Revision): void {
  if (!fits) throw notExact(key, revision);
}

function notExact(key: Buffer, revision: Revision): LockstepError {
  return new LockstepError(
    'GAP_NOT_EXACT',
    `the gap cannot be bridged exactly: ${key.toString()} at revision ${revision} does not follow from what the journal holds`,
    {
      revision,
      hint: 'Nothing was written. The source is not the one that was captured (restored from a backup?). Seed again, into a new journal and a new target.',
    },
  );
}

const SEEN = 0x73;
const RECORD = 0x72;

/** The plan in its scratch store: keys that were seen, and records in the order of revisions. */
class BridgePlan {
  puts = 0;
  deletions = 0;
  #batch;

  constructor(private readonly scratch: Scratch) {
    this.#batch = scratch.batch();
  }

  async see(key: Buffer): Promise<void> {
    this.#batch.put(seenKey(key), EMPTY);
    if (this.#batch.length >= BATCH) await this.flush();
  }

  /** Those that {@link see} was never called for; asked for by the thousand. */
  async *unseen<T extends { key: Buffer }>(all: AsyncIterable<T>): AsyncGenerator<T> {
    let some: T[] = [];
    const ask = async () => {
      const found = await this.scratch.getMany(some.map(({ key }) => seenKey(key)));
      return some.filter((_, i) => found[i] === undefined);
    };
    for await (const one of all) {
      some.push(one);
      if (some.length < BATCH) continue;
      yield* await ask();
      some = [];
    }
    yield* await ask();
  }

  async add({ main, key, tombstone, bytes }: Record): Promise<void> {
    if (tombstone) this.deletions++;
    else this.puts++;
    const place = Buffer.allocUnsafe(9);
    place[0] = RECORD;
    place.writeBigUInt64BE(BigInt(main), 1);
    const flag = Buffer.from([tombstone ? 1 : 0]);
    this.#batch.put(Buffer.concat([place, key]), Buffer.concat([flag, bytes]));
    if (this.#batch.length >= BATCH) await this.flush();
  }

  async flush(): Promise<void> {
    await this.#batch.write();
    this.#batch = this.scratch.batch();
  }
}

const EMPTY = Buffer.alloc(0);

function seenKey(key: Buffer): Buffer {
  return Buffer.concat([Buffer.from([SEEN]), key]);
}

/**
 * The plan becomes history. Cut short, it is one up to where it was cut, and bridged again from there before
 * anything is watched (journal/continuity.ts).
 */
async function append(journal: Journal, gap: Gap, scratch: Scratch): Promise<void> {
  let batch: WholeRevision[] = [];
  let bytes = 0;
  for await (const whole of revisions(scratch)) {
    batch.push(whole);
    bytes += whole.records.reduce((sum, record) => sum + recordBytes(record), 0);
    if (bytes < APPEND_BYTES) continue;
    await journal.append(batch, proven(whole.revision), 'synced');
    failpoint('base.bridge.appended');
    batch = [];
    bytes = 0;
  }
  await journal.append(batch, proven(gap.to), 'synced');
}

async function* revisions(scratch: Scratch): AsyncGenerator<WholeRevision> {
  let open: WholeRevision | undefined;
  const bounds = { gte: Buffer.from([RECORD]), lt: Buffer.from([RECORD + 1]) };
  for await (const [place, value] of scratch.iterator(bounds)) {
    const main = Number(place.readBigUInt64BE(1));
    if (open && open.revision !== main) yield open;
    if (open?.revision !== main) open = { revision: main, records: [] };
    open.records.push({
      main,
      sub: open.records.length,
      tombstone: value[0] === 1,
      key: place.subarray(9),
      bytes: value.subarray(1),
    });
  }
  if (open) yield open;
}
