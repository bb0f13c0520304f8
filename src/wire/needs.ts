/**
 * What a user must be allowed to, in words: etcd says only that he is not.
 *
 * docs/access.md has the roles.
 */
import type { etcdserverpb as pb } from './gen/etcd.js';

/** So many keys of a transaction are named, no more. */
const MAX_KEYS = 3;

/** What only root may do, on servers that ask for it. */
export const NEEDS_ROOT = {
  snapshot: 'taking a snapshot needs the role root (--from range does not)',
  maintenance: 'status and alarms of a member need the role root on this version of etcd',
  authStatus: 'asking for the revision of users and roles needs the role root',
  compact: 'compacting needs the role root on this version of etcd',
};

export const NEEDS_LEASES =
  'listing leases needs read permission on all keys that leases are attached to';
export const NEEDS_LEASE_KEYS =
  'asking which keys a lease is attached to needs read permission on them';
export const NEEDS_KEEP_ALIVE =
  'keeping a lease alive needs write permission on the keys that it is attached to';

export function needsRead(what: { key?: Uint8Array | null; rangeEnd?: Uint8Array | null }): string {
  return `reading ${rangeText(what)}`;
}

export function needsTxn({ compare, success }: pb.TxnRequest.$Properties): string {
  const read = (compare ?? []).map(({ key }) => name(key));
  const written = (success ?? []).flatMap(keysOf);
  return [...some('reading', read), ...some('writing', written)].join(', ');
}

/** A single key, or `from` to `to`, the second not included. */
function rangeText({
  key,
  rangeEnd,
}: {
  key?: Uint8Array | null;
  rangeEnd?: Uint8Array | null;
}): string {
  if (!rangeEnd || rangeEnd.length === 0) return name(key);
  const toTheEnd = rangeEnd.length === 1 && rangeEnd[0] === 0;
  const fromTheStart = key?.length === 1 && key[0] === 0;
  if (toTheEnd) return fromTheStart ? 'every key' : `${name(key)} to the last key`;
  return `${name(key)} to ${name(rangeEnd)}`;
}

function keysOf(op: pb.RequestOp.$Properties): string[] {
  if (op.requestPut) return [name(op.requestPut.key)];
  if (op.requestDeleteRange) return [name(op.requestDeleteRange.key)];
  return (op.requestTxn?.success ?? []).flatMap(keysOf);
}

function some(doing: string, names: string[]): string[] {
  const distinct = [...new Set(names)];
  if (distinct.length === 0) return [];
  const more = distinct.length - MAX_KEYS;
  const listed = distinct.slice(0, MAX_KEYS).join(', ');
  return [`${doing} ${listed}${more > 0 ? ` and ${more} more` : ''}`];
}

function name(key: Uint8Array | null | undefined): string {
  return JSON.stringify(Buffer.from(key ?? []).toString()).slice(1, -1);
}
