/**
 * One entry of raft's log, as bytes: the only place where what a peer port is given is made.
 *
 * A member that cannot read an entry, or finds no header in it, panics, and all others with it, at each
 * start again, since the entry is in the log. So nothing but the transactions of guard.ts is ever made
 * here; what was made is read again by the generated reader, which must find the same and nothing else;
 * and what the client API would refuse is refused (etcd applies an entry without asking).
 * Source: server/etcdserver/server.go, applyEntryNormal; api/v3rpc/key.go, checkTxnRequest.
 */
import { LockstepError } from '../errors.js';
import type Long from 'long';
import { toBigInt, toLong } from '../mvcc/keyvalue.js';
import type { Revision } from '../mvcc/revision.js';
import { etcdserverpb as pb } from '../wire/gen/etcd.js';
import { slotKey, type Chained } from './guard.js';
import { chainedTxn, put } from './txn.js';

/** On whose behalf an entry is applied; etcd asks for both where authentication is on. */
export interface Proposer {
  /** Under this id nobody waits for a result (see {@link proposerId}). */
  id: bigint;
  username: string;
  authRevision: bigint;
}

/**
 * No single revision is larger, even where --max-request-bytes is raised as far as the documents advise.
 * Above it a batch would keep the members' line to each other for too long.
 */
export const MAX_ENTRY_BYTES = 10 * 1024 * 1024;

/**
 * An id that no member waits for: theirs begin with the low 16 bits of their own id, and go on with a clock
 * (pkg/idutil/id.go). Ours begins with none of these, and its clock stands where theirs is in 2039 next.
 * @param members ids of all
 */
export function proposerId(members: readonly bigint[]): bigint {
  const theirs = new Set(members.map((id) => id & 0xffffn));
  let prefix = 0x6c73n;
  while (theirs.has(prefix)) prefix = (prefix + 1n) & 0xffffn;
  return (prefix << 48n) | 1n;
}

/** @throws LockstepError REQUEST_TOO_LARGE */
export function encodeProposal(write: Chained, proposer: Proposer): Uint8Array {
  return encodeEntry(chainedTxn(write), write.link.revision, proposer);
}

/** A filler without an order, for who only wants the head to be higher. */
export function encodeFiller(
  guard: readonly pb.Compare.$Properties[],
  proposer: Proposer,
): Uint8Array {
  const success = [put(slotKey(0), Buffer.alloc(0))];
  return encodeEntry({ compare: [...guard], success }, 0, proposer);
}

function encodeEntry(
  txn: pb.TxnRequest.$Properties,
  revision: Revision,
  { id, username, authRevision }: Proposer,
): Uint8Array {
  const header = { ID: toLong(id), username, authRevision: toLong(authRevision) };
  const bytes = pb.InternalRaftRequest.encode({ header, txn }).finish();
  if (bytes.length > MAX_ENTRY_BYTES) throw tooLarge(revision, bytes.length);
  check(bytes, txn, { id, username, authRevision }, revision);
  return bytes;
}

/** What must be so whatever was given; where it is not, it is a bug, and nothing is sent. */
function check(
  bytes: Uint8Array,
  txn: pb.TxnRequest.$Properties,
  proposer: Proposer,
  revision: Revision,
): void {
  const { header, txn: read } = pb.InternalRaftRequest.decode(bytes);
  if (isHeaded(header, proposer) && read && isSame(read, txn) && isPlain(read.success ?? []))
    return;
  throw new Error(`the entry for revision ${revision} was not made as it was meant`);
}

function isHeaded(
  header: pb.RequestHeader.$Properties | null | undefined,
  { id, username, authRevision }: Proposer,
): boolean {
  return (
    header?.ID != null &&
    toBigInt(header.ID) === BigInt.asIntN(64, id) &&
    (header.username ?? '') === username &&
    toBigInt(header.authRevision ?? 0) === BigInt.asIntN(64, authRevision)
  );
}

function isSame(read: pb.TxnRequest.$Properties, meant: pb.TxnRequest.$Properties): boolean {
  return (
    (read.failure ?? []).length === 0 &&
    all(
      read.compare,
      meant.compare,
      (a, b) =>
        a.result === b.result &&
        a.target === b.target &&
        sameBytes(a.key, b.key) &&
        sameBytes(a.value, b.value) &&
        sameNumber(a.modRevision, b.modRevision) &&
        !a.rangeEnd?.length,
    ) &&
    all(read.success, meant.success, isSameOp)
  );
}

function isSameOp(a: pb.RequestOp.$Properties, b: pb.RequestOp.$Properties): boolean {
  if (a.requestTxn && b.requestTxn) return isSame(a.requestTxn, b.requestTxn);
  const { requestPut: put, requestDeleteRange: deletion } = a;
  if (put)
    return (
      sameBytes(put.key, b.requestPut?.key) &&
      sameBytes(put.value, b.requestPut?.value) &&
      sameNumber(put.lease, b.requestPut?.lease)
    );
  return sameBytes(deletion?.key, b.requestDeleteRange?.key) && !deletion?.rangeEnd?.length;
}

/** Whether each operation is a put or a deletion of a key that has a name, or some of these. */
function isPlain(ops: readonly pb.RequestOp.$Properties[]): boolean {
  return (
    ops.length > 0 &&
    ops.every(({ requestPut, requestDeleteRange, requestTxn }) =>
      requestTxn
        ? (requestTxn.compare ?? []).length === 0 && isPlain(requestTxn.success ?? [])
        : ((requestPut ?? requestDeleteRange)?.key?.length ?? 0) > 0,
    )
  );
}

function all<T>(
  read: readonly T[] | null | undefined,
  meant: readonly T[] | null | undefined,
  same: (a: T, b: T) => boolean,
): boolean {
  const [as, bs] = [read ?? [], meant ?? []];
  return as.length === bs.length && as.every((a, i) => bs[i] !== undefined && same(a, bs[i]));
}

type Bytes = Uint8Array | null | undefined;

function sameBytes(a: Bytes, b: Bytes): boolean {
  return Buffer.compare(a ?? NONE, b ?? NONE) === 0;
}

const NONE = new Uint8Array();

type Int64 = number | Long | null | undefined;

function sameNumber(a: Int64, b: Int64): boolean {
  return toBigInt(a ?? 0) === toBigInt(b ?? 0);
}

function tooLarge(revision: number, bytes: number): LockstepError {
  return new LockstepError(
    'REQUEST_TOO_LARGE',
    `revision ${revision} has ${bytes} bytes, more than one entry of a log may have`,
    { revision, hint: 'Run without --dest-peers until the target has passed that revision.' },
  );
}
