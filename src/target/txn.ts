/**
 * One source revision as one transaction, whatever its size.
 *
 * etcd counts operations (or comparisons, if those are more) per level: of `--max-txn-ops` (128) a
 * transaction may have n, and the transactions inside it 128 - n. So a long revision becomes a tree
 * of transactions: two levels hold 3,900 records, three 74,000. Execution is depth first, so subs
 * come out in the order of the records.
 *
 * A key may be put and then deleted in one revision. etcd allows that only if the two stand in
 * different branches (server/etcdserver/api/v3rpc/key.go, checkIntervals), so a leaf is cut
 * before a key's second appearance.
 */
import { LockstepError } from '../errors.js';
import { parseKeyValue, toLong } from '../mvcc/keyvalue.js';
import type { KeyRange } from '../mvcc/prefix.js';
import type { Record } from '../mvcc/record.js';
import type { Revision } from '../mvcc/revision.js';
import { etcdserverpb as pb } from '../wire/gen/etcd.js';
import { CHAIN_KEY, encodeLink } from './chain.js';
import { CURSOR_KEY } from './cursor.js';
import { slotKey, type Chained, type Effect, type Guard } from './guard.js';

type Op = pb.RequestOp.$Properties;

/** etcd's default for --max-txn-ops. */
export const MAX_TXN_OPS = 128;

const { MOD, CREATE, VALUE } = pb.Compare.CompareTarget;
const { EQUAL, GREATER, LESS } = pb.Compare.CompareResult;

export function guardedTxn(guard: Guard, effect: Effect): pb.TxnRequest.$Properties {
  const compare = [
    modIs(CHAIN_KEY, guard.chainMod),
    modIs(CURSOR_KEY, guard.cursorMod),
    ...(guard.cursor ? [valueIs(CURSOR_KEY, guard.cursor)] : []),
    ...guard.slots.map(({ slot, mod: seen }) => modIs(slotKey(slot), seen)),
    ...guard.landed.flatMap(({ slot, above, below }) => [
      mod(slotKey(slot), GREATER, above),
      mod(slotKey(slot), LESS, below),
    ]),
  ];
  if (effect.kind === 'filler') return { compare, success: [put(slotKey(effect.slot), EMPTY)] };
  const { records, cursor, link } = effect;
  const own = [put(CURSOR_KEY, cursor), ...(link ? [put(CHAIN_KEY, encodeLink(link))] : [])];
  return { compare, success: [...nest(records, compare.length, own.length), ...own] };
}

/**
 * The guard names the link before by its revision, and by where it landed. By its revision alone, all that
 * follows somebody else's write would land one too high; by where it landed alone, what was meant for the
 * revision after the next would take the one that landed one too high for its own predecessor.
 */
export function chainedTxn({ link, data }: Chained): pb.TxnRequest.$Properties {
  const before = { ...link, revision: link.revision - 1 };
  const compare = [modIs(CHAIN_KEY, before.revision), valueIs(CHAIN_KEY, encodeLink(before))];
  const own = [put(CHAIN_KEY, encodeLink(link))];
  if (!data) return { compare, success: own };
  own.unshift(put(CURSOR_KEY, data.cursor));
  return { compare, success: [...nest(data.records, compare.length, own.length), ...own] };
}

const EMPTY = Buffer.alloc(0);

function mod(
  key: Buffer,
  result: pb.Compare.CompareResult,
  modRevision: Revision,
): pb.Compare.$Properties {
  return { result, target: MOD, key, modRevision };
}

export function modIs(key: Buffer, modRevision: Revision): pb.Compare.$Properties {
  return mod(key, EQUAL, modRevision);
}

/** The key was last written before `revision`, or is not there. */
export function modBelow(key: Buffer, revision: Revision): pb.Compare.$Properties {
  return mod(key, LESS, revision);
}

/** It is the same key since it was created, however often it was put. */
export function createIs(key: Buffer, createRevision: Revision): pb.Compare.$Properties {
  return { result: EQUAL, target: CREATE, key, createRevision };
}

function valueIs(key: Buffer, value: Buffer): pb.Compare.$Properties {
  return { result: EQUAL, target: VALUE, key, value };
}

/** Every key of the range was last written before `revision`; true where there is none. */
export function allOlder(range: KeyRange, revision: Revision): pb.Compare.$Properties {
  return { result: LESS, target: MOD, ...range, modRevision: revision };
}

export function put(key: Buffer, value: Buffer, lease = 0n): Op {
  return { requestPut: { key, value, ...(lease === 0n ? {} : { lease: toLong(lease) }) } };
}

function toOp({ key, bytes, tombstone }: Record): Op {
  if (tombstone) return { requestDeleteRange: { key } };
  const { value, lease } = parseKeyValue(bytes);
  return put(key, value, lease);
}

/**
 * At most as many operations as fit beside our own, each a tree where there are more records than
 * that.
 * @param compares of the outermost transaction; they count like operations
 * @param own operations that stand beside these
 * @param maxOps the target's --max-txn-ops
 * @throws LockstepError REQUEST_TOO_LARGE where so few operations cannot hold them, however deep
 */
export function nest(
  records: readonly Record[],
  compares: number,
  own: number,
  maxOps = MAX_TXN_OPS,
): Op[] {
  if (records.length + own <= maxOps && !hasTwice(records)) return records.map(toOp);
  for (let depth = 2; ; depth++) {
    const width = widthOf(depth, compares, own, maxOps);
    if (width < 2) throw tooMany(records, maxOps);
    let ops = leaves(records, width);
    for (let level = 2; level < depth; level++) ops = wrap(ops, width);
    if (ops.length <= width) return ops;
  }
}

/** Operations per level such that `depth` levels, our own operations and the comparisons fit. */
function widthOf(depth: number, compares: number, own: number, maxOps: number): number {
  const width = Math.floor((maxOps - own) / depth);
  return width + own >= compares ? width : Math.floor((maxOps - compares) / (depth - 1));
}

function tooMany(records: readonly Record[], maxOps: number): LockstepError {
  const { main } = records[0] ?? { main: 0 };
  return new LockstepError(
    'REQUEST_TOO_LARGE',
    `revision ${main} has ${records.length} operations, more than transactions of ${maxOps} can hold`,
    {
      revision: main,
      hint: 'Raise --max-txn-ops, here and on the target (etcd has 128 by default), then run the same command again.',
    },
  );
}

function leaves(records: readonly Record[], width: number): Op[] {
  const out: Op[] = [];
  let leaf: Op[] = [];
  let keys = new Set<string>();
  const cut = () => {
    if (leaf.length > 0) out.push({ requestTxn: { success: leaf } });
    leaf = [];
    keys = new Set();
  };
  for (const record of records) {
    const name = record.key.toString('latin1');
    if (leaf.length === width || keys.has(name)) cut();
    leaf.push(toOp(record));
    keys.add(name);
  }
  cut();
  return out;
}

function wrap(ops: readonly Op[], width: number): Op[] {
  const out: Op[] = [];
  for (let i = 0; i < ops.length; i += width)
    out.push({ requestTxn: { success: ops.slice(i, i + width) } });
  return out;
}

function hasTwice(records: readonly Record[]): boolean {
  return new Set(records.map((record) => record.key.toString('latin1'))).size < records.length;
}
