/**
 * What is asked through the etcd3 package: who the members are. Alarms are not asked at all: the question
 * is an entry in the source's log, and a member's status has them.
 *
 *     etcd3 (methods, messages) ─► our channel, our headers ─► etcd
 *
 * It is not on the way of the data, and the reasons are measured (etcd3 1.1.2):
 *   - Its watcher resumes from the revision in a response's header, which is the store's and not the
 *     watch's: cut off behind `created`, none of 5,000 events came, and no error either.
 *   - It asks for no fragments, and cannot ask for progress: a batch above 4 MiB, 3,000 events, was skipped.
 *   - It sends a Put or a Txn again when its answer was lost: what is not guarded happens twice.
 *   - It decodes by reflection, five to six times slower than the generated module, and gives 64-bit
 *     numbers as decimal text: exact, but a string for each revision of each row.
 *   - It takes a third of a second to load. So only `plan` does, when it comes to that.
 *
 * And left to itself it would make a connection of its own: by the proxy of the environment when it logs
 * in, with sockets that outlive `close()`, and errors that have lost their code. So it gets our channel,
 * which it must not close, our headers instead of a login, no retries; and what a call came to is taken
 * from the channel and not from its error.
 *
 * As a second client that shares no code with src/, it reads both sides in the oracle of the tests and
 * counts keys in the bench.
 */
import {
  InterceptingCall,
  status,
  type Client,
  type Interceptor,
  type Metadata,
  type StatusObject,
} from '@grpc/grpc-js';
import type { Etcd3 } from 'etcd3';
import { grpcTarget } from './address.js';
import { asGivenUp, failure } from './call.js';
import { hexId } from './id.js';
import { PeerFault } from './peerfault.js';
import { CALL_TIMEOUT_MS, type Access } from './transport.js';

/** A member as the cluster knows it. */
export interface ListedMember {
  /** Hexadecimal, as etcdctl prints it. */
  memberId: string;
  /** Empty for one that has never started. */
  name: string;
  clientUrls: string[];
  peerUrls: string[];
}

export async function membersByEtcd3(access: Access): Promise<ListedMember[]> {
  const { members } = await ask(access, (etcd) => etcd.cluster.memberList({}));
  return members.map(({ ID, name, clientURLs, peerURLs }) => ({
    memberId: hexId(BigInt(ID)),
    name,
    clientUrls: clientURLs,
    peerUrls: peerURLs,
  }));
}

/** @throws what the channel says, as of a call of our own */
async function ask<T>(
  { endpoint, client, metadata }: Access,
  call: (etcd: Etcd3) => Promise<T>,
): Promise<T> {
  const [{ Etcd3, GRPCGenericError }, { noop }] = await Promise.all([
    import('etcd3'),
    import('cockatiel'),
  ]);
  let outcome: StatusObject | undefined;
  const interceptors = [
    watched(metadata, (ended) => {
      outcome = ended;
    }),
  ];
  const etcd = new Etcd3({
    hosts: grpcTarget(endpoint),
    grpcOptions: { channelOverride: lent(client) },
    defaultCallOptions: () => ({ deadline: Date.now() + CALL_TIMEOUT_MS, interceptors }),
    faultHandling: { host: () => noop, global: noop },
  });
  try {
    return await call(etcd);
  } catch (error) {
    if (outcome && outcome.code !== status.OK) throw failure(outcome);
    // Of a call that went well and has brought nothing.
    if (error instanceof GRPCGenericError) throw new PeerFault(error.message, { cause: error });
    throw asGivenUp(error);
  }
}

type Channel = ReturnType<Client['getChannel']>;

/** The client's channel; closing it does nothing, for it is not the borrower's. */
function lent(client: Client): Channel {
  const close = { value: () => undefined };
  return Object.create(client.getChannel(), { close }) as Channel;
}

function watched(headers: Metadata, onEnd: (outcome: StatusObject) => void): Interceptor {
  return (options, next) =>
    new InterceptingCall(next(options), {
      start: (metadata, _listener, start) => {
        metadata.merge(headers);
        start(metadata, {
          onReceiveStatus: (outcome, pass) => {
            onEnd(outcome);
            pass(outcome);
          },
        });
      },
    });
}
