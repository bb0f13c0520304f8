/**
 * An etcd's store, as far as the night needs it: transactions with all compares, ranges as of any
 * revision, events from any revision on. Nothing is ever compacted.
 */
import { LockstepError } from '../../src/errors.js';
import { encodeKeyValue, keyOf, parseKeyValue, toBigInt } from '../../src/mvcc/keyvalue.js';
import { TO_THE_END, type KeyRange } from '../../src/mvcc/prefix.js';
import type { Record } from '../../src/mvcc/record.js';
import { safeRevision, type Revision } from '../../src/mvcc/revision.js';
import { etcdserverpb as pb } from '../../src/wire/gen/etcd.js';

type Txn = pb.TxnRequest.$Properties;
type Compare = pb.Compare.$Properties;

const { MOD, CREATE, VALUE } = pb.Compare.CompareTarget;
const { GREATER, LESS } = pb.Compare.CompareResult;
const NONE = Buffer.alloc(0);

export class Store {
  head: Revision = 1;
  /** Every row that there ever was, in order. */
  readonly rows: Record[] = [];
  /** Told of each revision's rows. */
  readonly watchers = new Set<(rows: readonly Record[]) => void>();
  /** The KeyValue message by the key's bytes, in a string that sorts as they do. */
  readonly #live = new Map<string, Buffer>();

  constructor(readonly clusterId: string) {}

  /** A store that begins with these rows, as restore makes it. */
  static restored(clusterId: string, rows: readonly Record[]): Store {
    const store = new Store(clusterId);
    for (const row of rows) store.#append(row);
    return store;
  }

  /** The KeyValue message of a live key. */
  get(key: Buffer | string): Buffer | undefined {
    return this.#live.get(nameOf(Buffer.from(key)));
  }

  put(key: string, value: string): Revision {
    return this.txn({
      success: [{ requestPut: { key: Buffer.from(key), value: Buffer.from(value) } }],
    }).revision;
  }

  delete(key: string): Revision {
    return this.txn({ success: [{ requestDeleteRange: { key: Buffer.from(key) } }] }).revision;
  }

  txn({ compare, success, failure }: Txn): { succeeded: boolean; revision: Revision } {
    const succeeded = (compare ?? []).every((one) => this.#holds(one));
    const main = this.head + 1;
    const before = this.rows.length;
    this.#apply((succeeded ? success : failure) ?? [], main);
    const rows = this.rows.slice(before);
    if (rows.length > 0) for (const watcher of [...this.watchers]) watcher(rows);
    return { succeeded, revision: this.head };
  }

  /** Live rows of a range in key order, as they were at a revision; 0 is now. */
  range({ key, rangeEnd }: Partial<KeyRange> & { key: Buffer }, revision = 0): Buffer[] {
    if (revision > this.head)
      throw new LockstepError('FUTURE_REVISION', 'etcdserver: required revision is a future one');
    const live = revision === 0 || revision === this.head ? this.#live : this.#liveAt(revision);
    const from = nameOf(key);
    if (!rangeEnd || rangeEnd.length === 0) {
      const row = live.get(from);
      return row ? [row] : [];
    }
    const end = TO_THE_END.equals(rangeEnd) ? undefined : nameOf(rangeEnd);
    const names = [...live.keys()].filter(
      (name) => name >= from && (end === undefined || name < end),
    );
    return names.sort().map((name) => live.get(name) ?? NONE);
  }

  since(revision: Revision): Record[] {
    return this.rows.filter(({ main }) => main >= revision);
  }

  #liveAt(revision: Revision): Map<string, Buffer> {
    const live = new Map<string, Buffer>();
    for (const { main, key, tombstone, bytes } of this.rows) {
      if (main > revision) break;
      if (tombstone) live.delete(nameOf(key));
      else live.set(nameOf(key), bytes);
    }
    return live;
  }

  #apply(ops: readonly pb.RequestOp.$Properties[], main: Revision): void {
    for (const { requestPut, requestDeleteRange, requestTxn } of ops) {
      if (requestPut) this.#put(requestPut, main);
      if (requestDeleteRange)
        for (const row of this.range(rangeOf(requestDeleteRange))) this.#delete(keyOf(row), main);
      if (requestTxn) {
        const held = (requestTxn.compare ?? []).every((one) => this.#holds(one));
        this.#apply((held ? requestTxn.success : requestTxn.failure) ?? [], main);
      }
    }
  }

  #put({ key: given, value, lease }: pb.PutRequest.$Properties, main: Revision): void {
    const key = Buffer.from(given ?? NONE);
    const old = this.get(key);
    const { createRevision, version } = old
      ? parseKeyValue(old)
      : { createRevision: main, version: 0 };
    const bytes = encodeKeyValue({
      key,
      createRevision,
      modRevision: main,
      version: version + 1,
      value: Buffer.from(value ?? NONE),
      lease: toBigInt(lease ?? 0),
    });
    this.#append({ main, sub: this.#subOf(main), tombstone: false, key, bytes });
  }

  #delete(key: Buffer, main: Revision): void {
    this.#append({
      main,
      sub: this.#subOf(main),
      tombstone: true,
      key,
      bytes: encodeKeyValue({ key }),
    });
  }

  #subOf(main: Revision): number {
    const last = this.rows.at(-1);
    return last?.main === main ? last.sub + 1 : 0;
  }

  #append(row: Record): void {
    this.rows.push(row);
    this.head = row.main;
    if (row.tombstone) this.#live.delete(nameOf(row.key));
    else this.#live.set(nameOf(row.key), row.bytes);
  }

  /** Of a range it has to hold for every key, and holds where there is none. */
  #holds(compare: Compare): boolean {
    const { rangeEnd } = compare;
    const key = Buffer.from(compare.key ?? NONE);
    if (rangeEnd && rangeEnd.length > 0)
      return this.range({ key, rangeEnd: Buffer.from(rangeEnd) }).every((row) =>
        holds(compare, row),
      );
    return holds(compare, this.get(key));
  }
}

function holds(compare: Compare, row: Buffer | undefined): boolean {
  const order = orderOf(compare, row);
  if (order === undefined) return false;
  switch (compare.result) {
    case GREATER:
      return order > 0;
    case LESS:
      return order < 0;
    default:
      return order === 0;
  }
}

/** Undefined for the value of a key that is not there: etcd lets no such compare hold. */
function orderOf(compare: Compare, row: Buffer | undefined): number | undefined {
  const kv = row && parseKeyValue(row);
  switch (compare.target) {
    case MOD:
      return (kv?.modRevision ?? 0) - safeRevision(compare.modRevision ?? 0);
    case CREATE:
      return (kv?.createRevision ?? 0) - safeRevision(compare.createRevision ?? 0);
    case VALUE:
      return kv && kv.value.compare(compare.value ?? NONE);
    default:
      throw new Error('no such compare is modelled');
  }
}

/** The key alone where there is no end. */
export function within(key: Buffer, from: Uint8Array, end: Uint8Array | undefined | null): boolean {
  if (!end || end.length === 0) return key.equals(from);
  return key.compare(from) >= 0 && (TO_THE_END.equals(end) || key.compare(end) < 0);
}

function rangeOf({ key, rangeEnd }: pb.DeleteRangeRequest.$Properties) {
  return {
    key: Buffer.from(key ?? NONE),
    ...(rangeEnd && rangeEnd.length > 0 ? { rangeEnd: Buffer.from(rangeEnd) } : {}),
  };
}

function nameOf(key: Buffer): string {
  return key.toString('latin1');
}
