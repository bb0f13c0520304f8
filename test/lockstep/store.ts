/** A store with etcd's MVCC rules and nothing else: the model of the source, and of the target. */
import { encodeKeyValue, parseKeyValue } from '../../src/mvcc/keyvalue.js';
import type { Record } from '../../src/mvcc/record.js';
import type { Revision } from '../../src/mvcc/revision.js';

/** A put, or without a value a delete. */
export interface Op {
  key: Buffer;
  value?: Buffer;
}

/** A live key. `bytes` is its row: the mvccpb.KeyValue message. */
export interface Live {
  create: Revision;
  mod: Revision;
  version: number;
  value: Buffer;
  bytes: Buffer;
}

export class Store {
  head: Revision = 1;
  /** Every row that there ever was, in order. */
  readonly rows: Record[] = [];
  readonly #live = new Map<string, Live>();

  /** A store that begins with another's rows, as restore makes it. */
  static restored(rows: readonly Record[]): Store {
    const store = new Store();
    for (const row of rows) store.#append(row);
    return store;
  }

  /** One transaction: one revision, or none if it has nothing to do. Returns the head after it. */
  write(ops: readonly Op[]): Revision {
    const main = this.head + 1;
    let sub = 0;
    for (const { key, value } of ops) {
      const old = this.get(key);
      if (value) {
        const bytes = encodeKeyValue({
          key,
          createRevision: old?.create ?? main,
          modRevision: main,
          version: (old?.version ?? 0) + 1,
          value,
        });
        this.#append({ main, sub: sub++, tombstone: false, key, bytes });
      } else if (old) {
        const bytes = encodeKeyValue({ key });
        this.#append({ main, sub: sub++, tombstone: true, key, bytes });
      }
    }
    return this.head;
  }

  get(key: Buffer): Live | undefined {
    return this.#live.get(key.toString('latin1'));
  }

  /** The rows of the newest revision that has any. */
  newest(): Record[] {
    const first = this.rows.findLastIndex(({ main }) => main < this.head) + 1;
    return this.rows.slice(first);
  }

  /** The rows of the live keys that start with `prefix`. */
  liveRows(prefix: string): Buffer[] {
    return [...this.#live].filter(([key]) => key.startsWith(prefix)).map(([, { bytes }]) => bytes);
  }

  #append(row: Record): void {
    const name = row.key.toString('latin1');
    this.rows.push(row);
    this.head = row.main;
    if (row.tombstone) {
      this.#live.delete(name);
      return;
    }
    const { createRevision, modRevision, version, value } = parseKeyValue(row.bytes);
    const { bytes } = row;
    this.#live.set(name, { create: createRevision, mod: modRevision, version, value, bytes });
  }
}
