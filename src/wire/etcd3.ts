/**
 * What is asked through the etcd3 package: questions about the cluster itself, with its retries off.
 *
 * Nothing that has to do with data. Its watcher resumes from a response header's revision and its
 * policies send a Put again whose answer was lost. And it takes a third of a second to load, so
 * nothing is asked through it that every command asks.
 */
import type { IOptions } from 'etcd3';
import { grpcTarget } from './address.js';
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
}

export async function membersByEtcd3(access: Access): Promise<ListedMember[]> {
  const [{ Etcd3 }, { noop }] = await Promise.all([import('etcd3'), import('cockatiel')]);
  const faultHandling = { host: () => noop, global: noop };
  const etcd = new Etcd3({ ...optionsFor(access), faultHandling });
  try {
    const { members } = await etcd.cluster.memberList({});
    return members.map(({ ID, name, clientURLs }) => ({
      memberId: hexId(BigInt(ID)),
      name,
      clientUrls: clientURLs,
    }));
  } catch (error) {
    throw isItsOwn(error) ? new PeerFault(error.message, { cause: error }) : error;
  } finally {
    etcd.close();
  }
}

/** The package turns each gRPC error into a class of its own, without the status. */
function isItsOwn(error: unknown): error is Error {
  return error instanceof Error && /^(GRPC|Etcd)/.test(error.constructor.name);
}

function optionsFor({ endpoint, tls, user }: Access): IOptions {
  return {
    hosts: tls ? `https://${grpcTarget(endpoint)}` : grpcTarget(endpoint),
    ...(tls ? { credentials: tls as IOptions['credentials'] & object } : {}),
    ...(user ? { auth: { username: user.name, password: user.password } } : {}),
    grpcOptions: { 'grpc.enable_http_proxy': 0 },
    defaultCallOptions: () => ({ deadline: Date.now() + CALL_TIMEOUT_MS }),
  };
}
