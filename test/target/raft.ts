/**
 * What an etcd reads out of raft's messages, by a description of its own: field numbers out of etcd's
 * rpc.proto, raft_internal.proto and raft.proto, read by reflection. What is judged here must not be read
 * with the module that has made it.
 */
import protobuf from 'protobufjs';

const PROTO = `
  syntax = "proto3";
  message Message { int32 type = 1; uint64 to = 2; uint64 from = 3; uint64 term = 4; repeated Entry entries = 7; }
  message Entry { uint64 Term = 2; uint64 Index = 3; int32 Type = 1; bytes Data = 4; }
  message InternalRaftRequest { Header header = 100; uint64 ID = 1; Put put = 4; Txn txn = 6; }
  message Header { uint64 ID = 1; string username = 2; uint64 auth_revision = 3; }
  message Txn { repeated Compare compare = 1; repeated Op success = 2; repeated Op failure = 3; }
  message Compare { int32 result = 1; int32 target = 2; bytes key = 3; int64 mod = 6; bytes value = 7; bytes range_end = 64; }
  message Op { Put put = 2; Deletion deletion = 3; Txn txn = 4; }
  message Put { bytes key = 1; bytes value = 2; int64 lease = 3; }
  message Deletion { bytes key = 1; bytes range_end = 2; }
`;
const { root } = protobuf.parse(PROTO, { keepCase: true });

export interface ReadOp {
  put?: { key: Buffer; value?: Buffer; lease?: string };
  deletion?: { key: Buffer; range_end?: Buffer };
  txn?: ReadTxn;
}

export interface ReadTxn {
  compare?: { result?: number; target?: number; key: Buffer; mod?: string; value?: Buffer }[];
  success?: ReadOp[];
  failure?: ReadOp[];
}

export interface ReadRequest {
  ID?: string;
  header?: { ID?: string; username?: string; auth_revision?: string };
  put?: unknown;
  txn?: ReadTxn;
}

export interface ReadMessage {
  type: number;
  to: string;
  from: string;
  term?: string;
  entries: { Type?: number; Data: Buffer; Term?: string; Index?: string }[];
}

/** @throws Error for bytes that hold more than this description knows */
function read(name: string, bytes: Uint8Array): unknown {
  const type = root.lookupType(name);
  const reader = protobuf.Reader.create(bytes);
  reader.discardUnknown = false;
  const decoded = type.decode(reader);
  refuseUnknown(decoded);
  return type.toObject(decoded, { longs: String, bytes: Buffer });
}

function refuseUnknown(decoded: object): void {
  if ('$unknowns' in decoded && decoded.$unknowns) throw new Error('a field that nobody knows');
  for (const field of Object.values(decoded) as unknown[])
    if (typeof field === 'object' && field !== null && !(field instanceof Uint8Array))
      refuseUnknown(field);
}

export function readRequest(bytes: Uint8Array): ReadRequest {
  return read('InternalRaftRequest', bytes) as ReadRequest;
}

export function readMessage(bytes: Uint8Array): ReadMessage {
  return read('Message', bytes) as ReadMessage;
}
