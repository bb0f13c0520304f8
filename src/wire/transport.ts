/**
 * Calls to one etcd over grpc-js: which member, with which token, and what an error means.
 *
 * A call is sent again only where that does no harm: no connection to the member could be made, or it
 * is a mere question (then to the next member), or etcd refused the token (then with a new one).
 * Every other failure is reported, and the caller, who knows what a second try would mean, decides;
 * the next call then goes to the next member.
 */
import {
  Metadata,
  type CallOptions,
  type Client,
  type ClientDuplexStream,
  type ClientReadableStream,
} from '@grpc/grpc-js';
import { isUnreachable, LockstepError } from '../errors.js';
import {
  begun,
  decoded,
  encoded,
  sendTo,
  withHeaders,
  type RpcMethod,
  type UnderWay,
} from './call.js';
import type { Connection, TlsMaterial } from './connection.js';
import { diagnose } from './diagnose.js';
import {
  endpointsDiffer,
  isAuthOff,
  isNotSent,
  isStaleToken,
  isUnclear,
  mapError,
  namingNeed,
  tokenRefused,
  type About,
} from './grpcerrors.js';
import { Members, type Member } from './members.js';
import { ANY_LEASE, METHODS } from './methods.js';
import type { Side } from './side.js';
import { Token } from './token.js';

/** Longest that a call may take, unless it says otherwise. */
export const CALL_TIMEOUT_MS = 10_000;

/** What a call of another library needs to do as we do. */
export interface Access {
  endpoint: string;
  tls: TlsMaterial | undefined;
  /** Ours: whoever borrows it does not close it. */
  client: Client;
  /** With the token, where there is one. */
  metadata: Metadata;
}

/** What the first of several members that answered has said of itself. */
export interface Cluster {
  first?: { id: string; endpoint: string };
  /** Id of what has answered last, hexadecimal. */
  heard?: string;
}

export class Transport {
  readonly #members: Members;
  readonly #token: Token | undefined;
  readonly #user: Connection['user'];
  readonly #underWay: UnderWay = new Set();
  readonly #end = new AbortController();
  /** A certificate that did once may do again, e.g. while it is being renewed. */
  #answered = false;

  /** @param cluster what is known of it already, and where it is kept for others to know */
  constructor(
    connection: Connection,
    readonly side: Side,
    private readonly cluster: Cluster,
  ) {
    this.#members = new Members(connection, side);
    this.#user = connection.user;
    if (connection.user) this.#token = new Token(() => this.#authenticate());
  }

  /** Ends what is under way, at once; nothing can be asked any more. */
  close(): void {
    this.#end.abort();
    for (const call of this.#underWay) call.cancel();
    this.#members.close();
  }

  async unary<T, P>(method: RpcMethod<T, P>, message: P, timeoutMs = CALL_TIMEOUT_MS): Promise<T> {
    const { harmless = false, needs } = method;
    try {
      return await this.#withToken(harmless, (metadata, member) =>
        this.#send(member, method, message, metadata, timeoutMs),
      );
    } catch (error) {
      throw needs ? namingNeed(error, needs(message)) : error;
    }
  }

  /** A stream in both directions; its first message may be that the token was refused. */
  async bidirectional<T, P>(
    { path, request, response, needs }: RpcMethod<T, P>,
    options: CallOptions = {},
  ): Promise<Stream<T, P>> {
    const { member, token } = await this.#ready();
    this.#refuseIfClosed();
    const call = this.#begun(member, () =>
      member.client.makeBidiStreamRequest<Buffer, Buffer>(
        `/etcdserverpb.${path}`,
        asIs,
        asIs,
        withHeaders(token),
        options,
      ),
    );
    // A stream that fails before anybody reads it must not take the process down.
    call.on('error', () => undefined);
    this.#underWay.add(call);
    return {
      send: (outgoing) => void call.write(encoded(request, outgoing)),
      end: () => void call.end(),
      messages: () =>
        this.#read(
          call,
          (bytes) => decoded(path, response, bytes),
          member,
          token,
          needs?.({} as P),
        ),
      cancel: () => {
        this.#underWay.delete(call);
        call.cancel();
      },
    };
  }

  async *serverStream<T, P>(
    { path, request, response, needs }: RpcMethod<T, P>,
    message: P,
  ): AsyncGenerator<T> {
    const { member, token } = await this.#ready();
    this.#refuseIfClosed();
    const call = this.#begun(member, () =>
      member.client.makeServerStreamRequest<Buffer, Buffer>(
        `/etcdserverpb.${path}`,
        asIs,
        asIs,
        encoded(request, message),
        withHeaders(token),
      ),
    );
    this.#underWay.add(call);
    const decode = (bytes: Buffer) => decoded(path, response, bytes);
    yield* this.#read(call, decode, member, token, needs?.(message));
  }

  /**
   * A question that another library asks, with the same failover and the same errors.
   * @param need what a user must be allowed to for it
   */
  async other<T>(call: (access: Access) => Promise<T>, need?: string): Promise<T> {
    try {
      return await this.#withToken(true, async (metadata, { endpoint, client }) => {
        const answer = await call({ endpoint, tls: this.#members.tls, client, metadata });
        this.#answered = true;
        return answer;
      });
    } catch (error) {
      throw need === undefined ? error : namingNeed(error, need);
    }
  }

  async #send<T, P>(
    member: Member,
    method: RpcMethod<T, P>,
    message: P,
    metadata: Metadata,
    timeoutMs = CALL_TIMEOUT_MS,
  ): Promise<T> {
    const answer = await sendTo(member, method, message, metadata, timeoutMs, this.#underWay);
    this.#answered = true;
    return answer;
  }

  #begun<C>(member: Member, call: () => C): C {
    try {
      return begun(call);
    } catch (error) {
      throw this.#failed(error, member);
    }
  }

  #refuseIfClosed(): void {
    if (!this.#end.signal.aborted) return;
    throw new LockstepError('UNAVAILABLE', `${this.side}: the connection was closed`, {
      side: this.side,
    });
  }

  /** A member that belongs to the cluster, and a token, for a stream. */
  async #ready(): Promise<{ member: Member; token: string | undefined }> {
    return this.#withToken(true, (_metadata, member, token) => Promise.resolve({ member, token }));
  }

  /** Sends it with the token, and once more with a new one where etcd refuses the old one. */
  async #withToken<T>(
    harmless: boolean,
    call: (metadata: Metadata, member: Member, token: string | undefined) => Promise<T>,
  ): Promise<T> {
    for (let first = true; ; first = false) {
      const token = await this.#token?.get();
      const metadata = withHeaders(token);
      try {
        return await this.#withMember(
          harmless,
          (member) => call(metadata, member, token),
          (member) => this.#identify(member, metadata),
        );
      } catch (error) {
        if (!this.#token || !first || !isStaleToken(error)) throw error;
        this.#token.invalidate(token);
      }
    }
  }

  /** Tries each member, for as long as the call has surely had no effect. */
  async #withMember<T>(
    harmless: boolean,
    call: (member: Member) => Promise<T>,
    before?: (member: Member) => Promise<void>,
  ): Promise<T> {
    for (let tried = 1; ; tried++) {
      this.#refuseIfClosed();
      const member = this.#members.current;
      let sent = false;
      try {
        await before?.(member);
        sent = true;
        return await call(member);
      } catch (error) {
        const mapped = this.#failed(await this.#clear(error, member), member);
        const noEffect = !sent || harmless || isNotSent(error);
        if (!isUnreachable(mapped) || !noEffect || tried >= this.#members.count) throw mapped;
      }
    }
  }

  /**
   * Nothing is asked of a further member before it has told which cluster it is of: a list of
   * endpoints may name another etcd, and what is right for one is wrong for the other.
   */
  async #identify(member: Member, metadata: Metadata): Promise<void> {
    if (this.#members.count === 1 || member.identified) return;
    const { header } = await this.#send(member, METHODS.leaseTimeToLive, ANY_LEASE, metadata);
    const id = String(header?.clusterId);
    this.cluster.first ??= { id, endpoint: member.endpoint };
    const { first } = this.cluster;
    if (id !== first.id) throw endpointsDiffer(this.side, first.endpoint, member.endpoint);
    member.identified = true;
  }

  /** At first contact it is found out what a failure means that does not say so. */
  async #clear(error: unknown, member: Member): Promise<unknown> {
    if (this.#end.signal.aborted || this.#answered || !isUnclear(error)) return error;
    return (await diagnose(member.endpoint, this.#members.tls, this.#end.signal)) ?? error;
  }

  #failed(error: unknown, member: Member): unknown {
    const mapped = mapError(error, this.#about(member));
    if (isUnreachable(mapped) && !this.#end.signal.aborted) this.#members.moveOn(member);
    return mapped;
  }

  #about({ endpoint }: Member): About {
    const tls = this.#members.tls;
    return { side: this.side, endpoint, tls, answered: this.#answered };
  }

  async *#read<T>(
    call: ClientDuplexStream<Buffer, Buffer> | ClientReadableStream<Buffer>,
    decode: (bytes: Buffer) => T,
    member: Member,
    token: string | undefined,
    need?: string,
  ): AsyncGenerator<T> {
    try {
      for await (const message of call) {
        this.#answered = true;
        yield decode(message as Buffer);
      }
    } catch (error) {
      if (!this.#token || !isStaleToken(error)) {
        const mapped = this.#failed(error, member);
        throw need === undefined ? mapped : namingNeed(mapped, need);
      }
      this.#token.invalidate(token);
      throw tokenRefused(error, this.#about(member));
    } finally {
      this.#underWay.delete(call);
      call.on('error', () => undefined);
      call.cancel();
    }
  }

  async #authenticate(): Promise<string | undefined> {
    try {
      const answer = await this.#withMember(true, (member) =>
        this.#send(member, METHODS.authenticate, this.#user ?? {}, new Metadata()),
      );
      return answer.token;
    } catch (error) {
      if (isAuthOff(error)) return undefined;
      throw error;
    }
  }
}

/** Messages are made and read by us: see {@link encoded}. */
const asIs = (bytes: Buffer) => bytes;

/** A stream: requests go in, messages come out, and a paused reader pauses the server. */
export interface Stream<T, P> {
  send(message: P): void;
  /** Nothing more will be sent. */
  end(): void;
  messages(): AsyncGenerator<T>;
  cancel(): void;
}
