/**
 * A target that was restored from a base, and a follower that keeps it in lockstep until somebody takes
 * it over: at once, because what goes wrong with a follower is the model of lockstep's.
 */
import { encodeKeyValue, parseKeyValue } from '../../src/mvcc/keyvalue.js';
import { prefixRange } from '../../src/mvcc/prefix.js';
import type { Record } from '../../src/mvcc/record.js';
import { digest, Tally } from '../../src/mvcc/tally.js';
import { CURSOR_FORMAT, CURSOR_KEY, encodeCursor } from '../../src/target/cursor.js';
import { CUTOVER_KEY } from '../../src/target/cutoverstate.js';
import { SLOTS, slotKey } from '../../src/target/guard.js';
import { put } from '../../src/target/txn.js';
import { PODS } from './kube.js';
import { Store } from './store.js';

/** As seal and restore make it: the source's pods as they are, and the cursor at its head. */
export function restoredFrom(source: Store, clusterId: string): Store {
  const rows = source.rows.filter(({ key }) => key.toString().startsWith(PODS));
  const revision = source.head;
  const value = cursorValue(source, revision, 0);
  const bytes = encodeKeyValue({
    ...{ key: CURSOR_KEY, value, version: 1 },
    ...{ createRevision: revision, modRevision: revision },
  });
  const sub = rows.filter(({ main }) => main === revision).length;
  const cursor: Record = { main: revision, sub, tombstone: false, key: CURSOR_KEY, bytes };
  return Store.restored(clusterId, [...rows, cursor]);
}

export class Follower {
  /** A slow one has not come yet. */
  held = false;
  #ownWrites = 0;

  constructor(
    private readonly source: Store,
    private readonly target: Store,
  ) {}

  sync(): void {
    while (!this.held && this.target.head < this.source.head && !this.target.get(CUTOVER_KEY))
      this.#write(this.target.head + 1);
  }

  #write(revision: number): void {
    const records = this.source
      .since(revision)
      .filter(({ main, key }) => main === revision && key.toString().startsWith(PODS));
    if (records.length === 0) {
      const slot = slotKey(this.#ownWrites++ % SLOTS);
      this.target.txn({ success: [put(slot, Buffer.alloc(0))] });
      return;
    }
    const ops = records.map(({ key, tombstone, bytes }) =>
      tombstone ? { requestDeleteRange: { key } } : put(key, parseKeyValue(bytes).value),
    );
    const cursor = put(CURSOR_KEY, cursorValue(this.source, revision, this.#ownWrites));
    this.target.txn({ success: [...ops, cursor] });
  }
}

function cursorValue(source: Store, revision: number, ownWrites: number): Buffer {
  const tally = new Tally();
  for (const row of source.range(prefixRange(PODS), revision)) tally.add(digest(row));
  return encodeCursor({
    format: CURSOR_FORMAT,
    source: source.clusterId,
    prefixes: [PODS],
    ...{ revision, ownWrites, keys: tally.keys, checksum: tally.hex },
    ...{ gap: null, follower: null, at: '' },
  });
}
