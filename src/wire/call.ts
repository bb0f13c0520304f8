/** How one call goes out over grpc-js and comes back: codecs, deadline, headers. */
import { Metadata, status, type ServiceError, type StatusObject } from '@grpc/grpc-js';
import { LockstepError } from '../errors.js';
import type { Member } from './members.js';
import { PeerFault } from './peerfault.js';

interface Codec<T, P> {
  encode(message: P): { finish(): Uint8Array };
  decode(bytes: Uint8Array): T;
}

/** One method of etcd's API, e.g. `KV/Range`, with the messages that go in and come out. */
export interface RpcMethod<T, P> {
  path: string;
  request: Codec<unknown, P>;
  response: Codec<T, never>;
  /** Changes nothing, so that it may be asked of the next member, whatever became of the first try. */
  harmless?: boolean;
  /** What a user must be allowed to, for when he is not. */
  needs?: (message: P) => string;
}

/** What is under way, to be ended by whoever closes the connection. */
export type UnderWay = Set<{ cancel: () => void }>;

/**
 * One request, one answer.
 *
 * By the channel itself, which is what the client's own `makeUnaryRequest` comes down to: that one
 * adds a chain of interceptors and a stack trace, together a third of the processor time of a call,
 * and writing revision by revision is calls and nothing else.
 */
export async function sendTo<T, P>(
  { client }: Member,
  { path, request, response }: RpcMethod<T, P>,
  message: P,
  metadata: Metadata,
  timeoutMs: number,
  underWay: UnderWay,
): Promise<T> {
  const asked = encoded(request, message);
  const bytes = await new Promise<Buffer>((resolve, reject) => {
    const deadline = Date.now() + timeoutMs;
    const call = begun(() =>
      client.getChannel().createCall(`/etcdserverpb.${path}`, deadline, null, null, null),
    );
    const ending = {
      cancel: () => {
        call.cancelWithStatus(status.CANCELLED, 'the connection was closed');
      },
    };
    underWay.add(ending);
    let answer: Buffer | undefined;
    call.start(metadata, {
      onReceiveMetadata: () => undefined,
      onReceiveMessage: (bytes: Buffer) => (answer = bytes),
      onReceiveStatus: (outcome) => {
        underWay.delete(ending);
        if (outcome.code !== status.OK) reject(failure(outcome));
        else if (!answer) reject(new PeerFault(`${path}: no answer and no error`));
        else resolve(answer);
      },
    });
    call.startRead();
    call.sendMessageWithContext({}, asked);
    call.halfClose();
  });
  return decoded(path, response, bytes);
}

/** The same error that grpc-js makes of it. */
export function failure(outcome: StatusObject): ServiceError {
  const { code, details } = outcome;
  return Object.assign(new Error(`${code} ${status[code]}: ${details}`), outcome);
}

/**
 * With `hasleader` a member that has lost its leader refuses at once and ends its streams; without
 * it, it lets a call hang and keeps a stream open and silent.
 */
export function withHeaders(token: string | undefined): Metadata {
  const metadata = new Metadata();
  metadata.set('hasleader', 'true');
  if (token !== undefined) metadata.set('token', token);
  return metadata;
}

/** Begins a call. The member may have been moved on from since it was chosen, for which grpc-js has only words. */
export function begun<C>(call: () => C): C {
  try {
    return call();
  } catch (error) {
    throw asGivenUp(error);
  }
}

/** What is told of a channel that was closed meanwhile, as such; any other error as it is. */
export function asGivenUp(error: unknown): unknown {
  if (!(error instanceof Error) || error.message !== 'Channel has been shut down') return error;
  return new PeerFault('the connection was given up', { cause: error });
}

/** grpc-js gives a codec's own mistakes a status, as if the server had made them; so it has none. */
export function encoded<P>(codec: Codec<unknown, P>, message: P): Buffer {
  const bytes = codec.encode(message).finish();
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** @throws LockstepError ETCD for bytes that are no such message */
export function decoded<T>(path: string, codec: Codec<T, never>, bytes: Buffer): T {
  try {
    return codec.decode(bytes);
  } catch (cause) {
    throw new LockstepError('ETCD', `what was answered to ${path} makes no sense`, { cause });
  }
}
