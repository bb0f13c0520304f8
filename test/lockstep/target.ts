/**
 * The target: what etcd would do with apply's writes, and a look at all of it after each of them.
 */
import { encodeKeyValue, parseKeyValue } from '../../src/mvcc/keyvalue.js';
import { OWN_PREFIX } from '../../src/mvcc/prefix.js';
import type { Record } from '../../src/mvcc/record.js';
import type { Revision } from '../../src/mvcc/revision.js';
import { digest, Tally } from '../../src/mvcc/tally.js';
import { CHAIN_KEY, encodeLink, parseLink } from '../../src/target/chain.js';
import {
  CURSOR_FORMAT,
  CURSOR_KEY,
  cursorTally,
  encodeCursor,
  parseCursor,
  type Cursor,
} from '../../src/target/cursor.js';
import { SLOTS, slotKey, type Chained, type Effect, type Guard } from '../../src/target/guard.js';
import type { TargetState } from '../../src/target/target.js';
import { PREFIX, type Source } from './source.js';
import { Store, type Op } from './store.js';

export const SOURCE_ID = 'cafe';

const SLOT_KEYS = Array.from({ length: SLOTS }, (_, slot) => slotKey(slot));
const EMPTY = Buffer.alloc(0);

/** Thrown when the target is not what the source says. */
export class Broken extends Error {}

export function must(holds: boolean, otherwise: () => string): asserts holds {
  if (!holds) throw new Broken(otherwise());
}

export class ModelTarget {
  store: Store;
  /** How often it was restored from its base. */
  incarnation = 0;
  /** Writes whose guard did not hold. */
  refused = 0;
  /** The follower whose cursor it is. */
  holder: string | null = null;
  /** Where the foreign write landed. From there on the target is lost, and only damage is limited. */
  #foreign: Revision | undefined;
  /** What belongs to lockstep itself was written by somebody. */
  misled = false;
  readonly #base: Record[];

  constructor(private readonly source: Source) {
    const rows = source.between(1, source.proven).flatMap(({ records }) => records);
    this.#base = [...rows, cursorRow(source, tallyOf(rows))];
    this.store = Store.restored(this.#base);
    this.#check();
  }

  /** Somebody restores it from its base, while writes are on their way. */
  restore(): void {
    this.store = Store.restored(this.#base);
    this.holder = null;
    this.incarnation++;
  }

  /** Whether it is the source's history as far as that goes. */
  get exact(): boolean {
    const { rows } = this.store;
    const head = Math.min(this.store.head, this.source.head);
    for (let revision = 1; revision <= head; revision++) {
      const ours = rows.filter(
        ({ main, key }) => main === revision && key.toString().startsWith(PREFIX),
      );
      if (!sameRows(ours, this.source.records.get(revision) ?? [])) return false;
    }
    return true;
  }

  read(): TargetState {
    const slots = SLOT_KEYS.map((key) => this.store.get(key));
    const cursor = this.store.get(CURSOR_KEY);
    const chain = this.store.get(CHAIN_KEY);
    return {
      head: this.store.head,
      cursor: cursor && parseCursor(cursor.value),
      cursorMod: cursor?.mod ?? 0,
      chainMod: this.#mod(CHAIN_KEY),
      link: chain && parseLink(chain.value),
      slotMods: slots.map((slot) => slot?.mod ?? 0),
      ownWrites: [...slots, chain].reduce((sum, row) => sum + (row?.version ?? 0), 0),
      cutover: undefined,
      owner: undefined,
    };
  }

  write(guard: Guard, effect: Effect): { succeeded: boolean; revision: Revision } {
    const holds =
      this.#mod(CHAIN_KEY) === guard.chainMod &&
      this.#mod(CURSOR_KEY) === guard.cursorMod &&
      (!guard.cursor || this.store.get(CURSOR_KEY)?.value.equals(guard.cursor)) &&
      guard.slots.every(({ slot, mod }) => this.#mod(SLOT_KEYS[slot]!) === mod) &&
      guard.landed.every(({ slot, above, below }) => {
        const mod = this.#mod(SLOT_KEYS[slot]!);
        return mod > above && mod < below;
      });
    if (!holds) {
      this.refused++;
      return { succeeded: false, revision: this.store.head };
    }
    const cursor = effect.kind === 'cursor' ? parseCursor(effect.cursor) : undefined;
    return { succeeded: true, revision: this.#land(toOps(effect), cursor, cursor?.revision) };
  }

  /** One entry of the log. Returns whether it has had an effect. */
  apply({ link, data }: Chained): boolean {
    const before = encodeLink({ ...link, revision: link.revision - 1 });
    const chain = this.store.get(CHAIN_KEY);
    if (chain?.mod !== link.revision - 1 || !chain.value.equals(before)) {
      this.refused++;
      return false;
    }
    const effect: Effect = data
      ? { kind: 'cursor', ...data, link }
      : { kind: 'cursor', records: [], cursor: EMPTY, link };
    const ops = toOps(effect).filter(({ key }) => data ?? !key.equals(CURSOR_KEY));
    this.#land(ops, data && parseCursor(data.cursor), link.revision);
    return true;
  }

  /** @param meant the revision that it should land at; undefined for fillers that have none */
  #land(ops: readonly Op[], cursor: Cursor | undefined, meant: Revision | undefined): Revision {
    const before = this.store.head;
    const revision = this.store.write(ops);
    must(revision === before + 1, () => `a write made the head ${revision} out of ${before}`);
    if (cursor) this.holder = cursor.follower;
    if (this.misled) return revision;
    if (this.#foreign === undefined) this.#check();
    else this.#checkDamage(this.#foreign, meant);
    return revision;
  }

  /** Somebody who knows nothing of lockstep. */
  writeForeign(ops: readonly Op[]): void {
    const before = this.store.head;
    if (this.store.write(ops) === before) return;
    this.#foreign ??= this.store.head;
    if (ops.some(({ key }) => key.toString().startsWith(OWN_PREFIX))) this.misled = true;
  }

  get spoilt(): boolean {
    return this.#foreign !== undefined;
  }

  #mod(key: Buffer): Revision {
    return this.store.get(key)?.mod ?? 0;
  }

  /** Rows are looked at as they land and never change, so those of the newest revision will do. */
  #check(): void {
    const { head } = this.store;
    must(head <= this.source.proven, () => `head ${head} is above proven ${this.source.proven}`);
    const ours = this.store.newest().filter(({ key }) => key.toString().startsWith(PREFIX));
    const theirs = this.source.records.get(head) ?? [];
    must(sameRows(ours, theirs), () => `rows of ${head} differ: ${ours.map(show).join()}`);
    const { value, mod } = this.store.get(CURSOR_KEY)!;
    const cursor = parseCursor(value);
    must(cursor.revision === mod, () => `cursor written at ${mod} says ${cursor.revision}`);
    const recount = new Tally();
    for (const row of this.store.liveRows(PREFIX)) recount.add(digest(row));
    must(cursorTally(cursor).equals(recount), () => `the cursor's tally at ${head} is wrong`);
  }

  /**
   * No guard can see a foreign write that lands between the last confirmed write and the next. But
   * whatever lands after it tells, so only the very first write may miss its revision with data.
   */
  #checkDamage(foreign: Revision, meant: Revision | undefined): void {
    const { head } = this.store;
    must(head <= this.source.proven + 1, () => `went on after a foreign write, up to ${head}`);
    if (meant === undefined || head === foreign + 1) return;
    throw new Broken(`revision ${meant} landed at ${head}, long after the foreign write`);
  }
}

function toOps(effect: Effect): Op[] {
  if (effect.kind === 'filler') return [{ key: SLOT_KEYS[effect.slot]!, value: EMPTY }];
  const ops = effect.records.map(({ key, tombstone, bytes }) =>
    tombstone ? { key } : { key, value: parseKeyValue(bytes).value },
  );
  const link = effect.link ? [{ key: CHAIN_KEY, value: encodeLink(effect.link) }] : [];
  return [...ops, { key: CURSOR_KEY, value: effect.cursor }, ...link];
}

function tallyOf(rows: readonly Record[]): Tally {
  const live = new Map<string, Record>();
  for (const row of rows) live.set(row.key.toString(), row);
  const tally = new Tally();
  for (const { tombstone, bytes } of live.values()) if (!tombstone) tally.add(digest(bytes));
  return tally;
}

/** As seal writes it: at the base's revision, behind the records. */
function cursorRow(source: Source, tally: Tally): Record {
  const revision = source.proven;
  const value = encodeCursor({
    format: CURSOR_FORMAT,
    source: SOURCE_ID,
    prefixes: [PREFIX],
    revision,
    keys: tally.keys,
    checksum: tally.hex,
    ownWrites: 0,
    gap: null,
    follower: null,
    at: 'sealed',
  });
  return {
    main: revision,
    sub: source.records.get(revision)?.length ?? 0,
    tombstone: false,
    key: CURSOR_KEY,
    bytes: encodeKeyValue({
      key: CURSOR_KEY,
      createRevision: revision,
      modRevision: revision,
      version: 1,
      value,
    }),
  };
}

/** Key, mod_revision, create_revision, version and value are all in `bytes`. */
function sameRows(a: readonly Record[], b: readonly Record[]): boolean {
  return (
    a.length === b.length &&
    a.every((row, i) => {
      const other = b[i]!;
      return (
        row.main === other.main &&
        row.sub === other.sub &&
        row.tombstone === other.tombstone &&
        row.bytes.equals(other.bytes)
      );
    })
  );
}

function show({ main, sub, key, tombstone }: Record): string {
  return `${main}/${sub} ${tombstone ? 'delete' : 'put'} ${key.toString()}`;
}
