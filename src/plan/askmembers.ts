/** Every member of one side, each asked on its own: status, alarms, quota, clock. */
import { LockstepError, hasCode } from '../errors.js';
import { EtcdClient, type Alarm, type MemberStatus } from '../wire/client.js';
import type { Connection } from '../wire/connection.js';
import type { ListedMember } from '../wire/etcd3.js';
import type { Side } from '../wire/side.js';

/** What one endpoint said, or why it said nothing. */
export interface AskedMember {
  endpoint: string;
  version: string | null;
  clusterId: string | null;
  memberId: string | null;
  hasLeader: boolean | null;
  isLeader: boolean | null;
  isLearner: boolean | null;
  dbBytes: number | null;
  dbBytesInUse: number | null;
  /** From its metrics, or its status (3.6 on); null where it tells neither. */
  quotaBytes: number | null;
  /** Its clock against ours: positive where it is ahead; the answer's header has whole seconds. */
  clockSeconds: number | null;
  /** How long a linearizable read took, best of a few; null where it was refused. */
  readSeconds: number | null;
  /** Why it did not answer. */
  error: { code: string; message: string } | null;
}

export interface AskedMembers {
  members: AskedMember[];
  /** Null where the user may not ask. */
  alarms: Alarm[] | null;
  /** Members of the cluster that were not given; null likewise. */
  missing: ListedMember[] | null;
}

const READS = 5;
const QUOTA = /^etcd_server_quota_backend_bytes (\S+)$/m;

/** Errors of a member stand in the report; nothing is thrown for them. */
export async function askMembers(
  connection: Connection,
  side: Side,
  key: Uint8Array,
  signal: AbortSignal,
): Promise<AskedMembers> {
  const members = await Promise.all(
    connection.endpoints.map((endpoint) =>
      withClient({ ...connection, endpoints: [endpoint] }, side, signal, (client) =>
        askMember(client, endpoint, key),
      ),
    ),
  );
  const answering = members.filter((member) => member.error === null);
  if (answering.length === 0) return { members, alarms: null, missing: null };
  const endpoints = answering.map((member) => member.endpoint);
  return withClient({ ...connection, endpoints }, side, signal, async (client) => {
    const status = await unlessRefused(client.memberStatus());
    const listed = await unlessRefused(client.memberList());
    const known = new Set(members.map((member) => member.memberId));
    // A user who may not ask for the status does not learn who is who either.
    const all = answering.every((member) => member.memberId !== null);
    const missing = all ? (listed?.filter((m) => !known.has(m.memberId)) ?? null) : null;
    return { members, alarms: status?.alarms ?? null, missing };
  });
}

/** One endpoint; the first question decides whether it answers at all. */
async function askMember(
  client: EtcdClient,
  endpoint: string,
  key: Uint8Array,
): Promise<AskedMember> {
  const member = unknown(endpoint);
  try {
    const status = await unlessRefused(client.memberStatus());
    if (status) Object.assign(member, fromStatus(status));
    else {
      const { version, clusterId } = await client.status();
      Object.assign(member, { version, clusterId });
    }
  } catch (error) {
    if (!(error instanceof LockstepError)) throw error;
    member.error = { code: error.code, message: error.message };
    return member;
  }
  member.clockSeconds = await clock(client);
  member.quotaBytes ??= await quota(client);
  member.readSeconds = await readTime(client, key);
  return member;
}

function fromStatus(status: MemberStatus): Partial<AskedMember> {
  const { version, clusterId, memberId, isLearner, dbBytes, dbBytesInUse } = status;
  const quotaBytes = status.quotaBytes ?? null;
  const hasLeader = status.leader !== undefined;
  const isLeader = status.leader === memberId;
  const who = { version, clusterId, memberId };
  return { ...who, hasLeader, isLeader, isLearner, dbBytes, dbBytesInUse, quotaBytes };
}

function unknown(endpoint: string): AskedMember {
  return {
    endpoint,
    version: null,
    clusterId: null,
    memberId: null,
    hasLeader: null,
    isLeader: null,
    isLearner: null,
    dbBytes: null,
    dbBytesInUse: null,
    quotaBytes: null,
    clockSeconds: null,
    readSeconds: null,
    error: null,
  };
}

/** The header's second began up to one second before the answer was made. */
async function clock(client: EtcdClient): Promise<number | null> {
  const before = Date.now();
  const answer = await orNothing(client.http('/version'));
  if (answer?.dateMs === undefined) return null;
  const ours = (before + Date.now()) / 2;
  return Math.round(answer.dateMs + 500 - ours) / 1000;
}

async function quota(client: EtcdClient): Promise<number | null> {
  const answer = await orNothing(client.http('/metrics'));
  const bytes = Number(QUOTA.exec(answer?.text ?? '')?.[1]);
  return Number.isFinite(bytes) && bytes > 0 ? bytes : null;
}

async function readTime(client: EtcdClient, key: Uint8Array): Promise<number | null> {
  let best: number | null = null;
  for (let i = 0; i < READS; i++) {
    const started = performance.now();
    if (!(await orNothing(client.head(key)))) return null;
    const seconds = (performance.now() - started) / 1000;
    best = Math.min(best ?? seconds, seconds);
  }
  return best;
}

/** Not every etcd serves HTTP beside gRPC, or lets everybody read. */
async function orNothing<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof LockstepError) return undefined;
    throw error;
  }
}

/** Newer servers tell some things to root only. */
async function unlessRefused<T>(asked: Promise<T>): Promise<T | null> {
  try {
    return await asked;
  } catch (error) {
    if (hasCode(error, 'PERMISSION')) return null;
    throw error;
  }
}

async function withClient<T>(
  connection: Connection,
  side: Side,
  signal: AbortSignal,
  use: (client: EtcdClient) => Promise<T>,
): Promise<T> {
  const client = new EtcdClient(connection, side).closeAt(signal);
  try {
    return await use(client);
  } finally {
    client.close();
  }
}
