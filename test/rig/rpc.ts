/**
 * The two questions that the rig itself asks a member. They go over gRPC and not
 * over etcd's JSON gateway, which is a client of its own server and fails for
 * reasons of its own (its certificate, authentication); and they share nothing
 * with `src/`, which is what the tests judge.
 */
import { Client, type ServiceError } from '@grpc/grpc-js';
import Long from 'long';
import protobuf from 'protobufjs/minimal.js';
import { rigCredentials, type TlsOptions } from './tls.js';

const ANSWERS_WITHIN_MS = 2_000;

/** Where a member listens to clients, and how. */
export interface ClientAddress {
  readonly port: number;
  readonly tls: TlsOptions | undefined;
}

/** What a member says of itself and its cluster; ids are hexadecimal as in etcd's own output. */
export interface MemberStatus {
  readonly id: string;
  /** Undefined while the member knows of no leader. */
  readonly leader: string | undefined;
  readonly raftTerm: bigint;
}

/** One call over a connection of its own: no back-off of an earlier one delays it. */
async function call(to: ClientAddress, method: string, request: Uint8Array): Promise<Buffer> {
  const client = new Client(`127.0.0.1:${to.port}`, rigCredentials(to.tls), {
    'grpc.use_local_subchannel_pool': 1,
    'grpc.enable_http_proxy': 0,
    'grpc.ssl_target_name_override': 'localhost', // Node warns of an IP address as a server name
  });
  try {
    return await new Promise<Buffer>((resolve, reject) => {
      client.makeUnaryRequest(
        method,
        (bytes: Buffer) => bytes,
        (bytes: Buffer) => bytes,
        Buffer.from(request),
        { deadline: Date.now() + ANSWERS_WITHIN_MS },
        (error: ServiceError | null, answer?: Buffer) => {
          if (error === null) resolve(answer ?? Buffer.alloc(0));
          else reject(error);
        },
      );
    });
  } finally {
    client.close();
  }
}

/** Whether a linearizable read is answered: /health would also fail for a mere alarm. */
export async function answers(to: ClientAddress): Promise<boolean> {
  const key0 = protobuf.Writer.create().uint32(10).bytes(Uint8Array.of(0)).finish();
  try {
    await call(to, '/etcdserverpb.KV/Range', key0);
    return true;
  } catch (e) {
    // With authentication on, a refusal is as good: permission is asked for after the read index.
    return /user name is empty|permission denied/.test((e as ServiceError).details);
  }
}

/** The varints of one message by their numbers, and the bytes of the messages in it. */
function fields(bytes: Uint8Array): { ints: Map<number, bigint>; inner: Map<number, Uint8Array> } {
  const [ints, inner] = [new Map<number, bigint>(), new Map<number, Uint8Array>()];
  const reader = protobuf.Reader.create(bytes);
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    if ((tag & 7) === 0) ints.set(tag >>> 3, BigInt(Long.fromValue(reader.uint64()).toString()));
    else if ((tag & 7) === 2) inner.set(tag >>> 3, reader.bytes());
    else reader.skipType(tag & 7);
  }
  return { ints, inner };
}

/** Asks a member for its status; undefined when it does not answer. */
export async function memberStatus(to: ClientAddress): Promise<MemberStatus | undefined> {
  let answer: Buffer;
  try {
    answer = await call(to, '/etcdserverpb.Maintenance/Status', new Uint8Array());
  } catch {
    return undefined;
  }
  // StatusResponse: 1 header (2 member_id), 4 leader, 6 raftTerm.
  const { ints, inner } = fields(answer);
  const id = fields(inner.get(1) ?? new Uint8Array()).ints.get(2) ?? 0n;
  const leader = ints.get(4) ?? 0n;
  return {
    id: id.toString(16),
    leader: leader === 0n ? undefined : leader.toString(16),
    raftTerm: ints.get(6) ?? 0n,
  };
}
