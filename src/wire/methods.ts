/** The methods of etcd's API that we call (rpc.proto), and what a user must be allowed to for each. */
import { etcdserverpb as pb } from './gen/etcd.js';
import {
  NEEDS_KEEP_ALIVE,
  NEEDS_LEASE_KEYS,
  NEEDS_LEASES,
  NEEDS_ROOT,
  needsRead,
  needsTxn,
} from './needs.js';

export const METHODS = {
  range: {
    path: 'KV/Range',
    request: pb.RangeRequest,
    response: pb.RangeResponse,
    harmless: true,
    needs: needsRead,
  },
  txn: { path: 'KV/Txn', request: pb.TxnRequest, response: pb.TxnResponse, needs: needsTxn },
  compact: {
    path: 'KV/Compact',
    request: pb.CompactionRequest,
    response: pb.CompactionResponse,
    needs: () => NEEDS_ROOT.compact,
  },
  leaseGrant: {
    path: 'Lease/LeaseGrant',
    request: pb.LeaseGrantRequest,
    response: pb.LeaseGrantResponse,
  },
  leaseTimeToLive: {
    path: 'Lease/LeaseTimeToLive',
    request: pb.LeaseTimeToLiveRequest,
    response: pb.LeaseTimeToLiveResponse,
    harmless: true,
    needs: () => NEEDS_LEASE_KEYS,
  },
  leaseLeases: {
    path: 'Lease/LeaseLeases',
    request: pb.LeaseLeasesRequest,
    response: pb.LeaseLeasesResponse,
    harmless: true,
    needs: () => NEEDS_LEASES,
  },
  leaseKeepAlive: {
    path: 'Lease/LeaseKeepAlive',
    request: pb.LeaseKeepAliveRequest,
    response: pb.LeaseKeepAliveResponse,
    needs: () => NEEDS_KEEP_ALIVE,
  },
  status: {
    path: 'Maintenance/Status',
    request: pb.StatusRequest,
    response: pb.StatusResponse,
    harmless: true,
    needs: () => NEEDS_ROOT.maintenance,
  },
  watch: { path: 'Watch/Watch', request: pb.WatchRequest, response: pb.WatchResponse },
  snapshot: {
    path: 'Maintenance/Snapshot',
    request: pb.SnapshotRequest,
    response: pb.SnapshotResponse,
    needs: () => NEEDS_ROOT.snapshot,
  },
  authenticate: {
    path: 'Auth/Authenticate',
    request: pb.AuthenticateRequest,
    response: pb.AuthenticateResponse,
  },
  authStatus: {
    path: 'Auth/AuthStatus',
    request: pb.AuthStatusRequest,
    response: pb.AuthStatusResponse,
    harmless: true,
    needs: () => NEEDS_ROOT.authStatus,
  },
};

/** A lease that nobody has; any user may ask for it, and the answer's header has the cluster's id. */
export const ANY_LEASE = { ID: 1 };
