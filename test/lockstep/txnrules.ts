/**
 * The two checks that an etcd makes before it executes a transaction, in full and for themselves:
 * server/etcdserver/api/v3rpc/key.go, checkTxnRequest and checkIntervals. Only what transactions
 * of puts, single-key deletes and transactions can contain.
 */
import type { etcdserverpb as pb } from '../../src/wire/gen/etcd.js';

type Txn = pb.TxnRequest.$Properties;
type Op = pb.RequestOp.$Properties;

/** etcd's default for --max-txn-ops. */
export const MAX_TXN_OPS = 128;

/** What etcd would refuse the transaction with; undefined if it takes it. */
export function refusal(txn: Txn): string | undefined {
  return checkOps(txn, MAX_TXN_OPS) ?? checkIntervals(txn.success ?? []).refused;
}

/** Each level may have what the levels above it have left over. */
function checkOps(txn: Txn, maxTxnOps: number): string | undefined {
  const ops = txn.success ?? [];
  const count = Math.max(txn.compare?.length ?? 0, ops.length);
  if (count > maxTxnOps) return 'too many operations in txn request';
  for (const { requestPut, requestDeleteRange, requestTxn } of ops) {
    if (requestTxn) {
      const refused = checkOps(requestTxn, maxTxnOps - count);
      if (refused !== undefined) return refused;
    } else if (!(requestPut ?? requestDeleteRange)?.key?.length) return 'key is not provided';
  }
  return undefined;
}

interface Touched {
  puts: Set<string>;
  deletes: Set<string>;
  refused?: string;
}

/** In the order of the original: this level's deletes, then the levels below, then its puts. */
function checkIntervals(ops: readonly Op[]): Touched {
  const deletes = new Set(keysOf(ops, ({ requestDeleteRange }) => requestDeleteRange?.key));
  const puts = new Set<string>();
  const add = (key: string) => {
    if (puts.has(key) || deletes.has(key)) return false;
    puts.add(key);
    return true;
  };
  const refused = 'duplicate key given in txn request';
  for (const { requestTxn } of ops) {
    if (!requestTxn) continue;
    const below = checkIntervals(requestTxn.success ?? []);
    if (below.refused !== undefined) return below;
    for (const key of below.puts) if (!add(key)) return { puts, deletes, refused };
    for (const key of below.deletes) deletes.add(key);
  }
  for (const key of keysOf(ops, ({ requestPut }) => requestPut?.key))
    if (!add(key)) return { puts, deletes, refused };
  return { puts, deletes };
}

function keysOf(ops: readonly Op[], of: (op: Op) => Uint8Array | null | undefined): string[] {
  return ops.flatMap((op) => {
    const key = of(op);
    return key ? [Buffer.from(key).toString('latin1')] : [];
  });
}
