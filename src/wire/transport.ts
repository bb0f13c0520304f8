/**
 * Calls to one etcd over grpc-js: which member, with which token, and what an error means.
 *
 * A call is sent again in two cases only, in both of which it surely had no effect: no connection to
 * the member could be made (then to the next one), or etcd refused the token (then with a new one).
 * Every other failure is reported, and the caller, who knows what a second try would mean, decides;
 * the next call then goes to the next member.
 */
import {
  Metadata,
  type CallOptions,
  type ClientDuplexStream,
  type ClientReadableStream,
} from '@grpc/grpc-js';
import { LockstepError } from '../errors.js';
import { etcdserverpb as pb } from './gen/etcd.js';
import type { Connection, TlsMaterial } from './connection.js';
import { isAuthOff, isNotSent, isStaleToken, mapError, type Side } from './errors.js';
import { Members, type Member } from './members.js';
import { Token } from './token.js';

/** Longest that a call may take, unless it says otherwise. */
export const CALL_TIMEOUT_MS = 10_000;

export interface Codec<T, P> {
  encode(message: P): { finish(): Uint8Array };
  decode(bytes: Uint8Array): T;
}

/** One method of etcd's API, e.g. `KV/Range`, with the messages that go in and come out. */
export interface Method<T, P> {
  path: string;
  request: Codec<unknown, P>;
  response: Codec<T, never>;
}

/** What a call of another library needs to do as we do. */
export interface Access {
  endpoint: string;
  tls: TlsMaterial | undefined;
  user: Connection['user'];
}

export class Transport {
  readonly #members: Members;
  readonly #token: Token | undefined;
  readonly #user: Connection['user'];
  /** A certificate that did once may do again, e.g. while it is being renewed. */
  #answered = false;

  constructor(
    connection: Connection,
    readonly side: Side,
  ) {
    this.#members = new Members(connection);
    this.#user = connection.user;
    if (connection.user) this.#token = new Token(() => this.#authenticate());
  }

  /** The member that is talked to now. */
  get endpoint(): string {
    return this.#members.current.endpoint;
  }

  close(): void {
    this.#members.close();
  }

  async unary<T, P>(method: Method<T, P>, message: P, timeoutMs = CALL_TIMEOUT_MS): Promise<T> {
    return this.#withToken((metadata, member) =>
      sendTo(member, method, message, metadata, timeoutMs),
    );
  }

  /** A stream in both directions; `messages` must be read with {@link read}. */
  async bidirectional<T, P>(
    { path, request, response }: Method<T, P>,
    options: CallOptions = {},
  ): Promise<Stream<T, P>> {
    const metadata = withHeaders(await this.#token?.get());
    const member = this.#members.current;
    const call: ClientDuplexStream<P, T> = member.client.makeBidiStreamRequest(
      `/etcdserverpb.${path}`,
      serializer(request),
      deserializer(response),
      metadata,
      options,
    );
    // A stream that fails before anybody reads it must not take the process down.
    call.on('error', () => undefined);
    return {
      send: (outgoing) => void call.write(outgoing),
      end: () => void call.end(),
      messages: () => this.#read(call, member),
      cancel: () => {
        call.cancel();
      },
    };
  }

  async *serverStream<T, P>(
    { path, request, response }: Method<T, P>,
    message: P,
  ): AsyncGenerator<T> {
    const metadata = withHeaders(await this.#token?.get());
    const member = this.#members.current;
    yield* this.#read(
      member.client.makeServerStreamRequest(
        `/etcdserverpb.${path}`,
        serializer(request),
        deserializer(response),
        message,
        metadata,
      ),
      member,
    );
  }

  /** A call that another library makes, with the same failover and the same errors. */
  async other<T>(call: (access: Access) => Promise<T>): Promise<T> {
    return this.#withMember(({ endpoint }) =>
      call({ endpoint, tls: this.#members.tls, user: this.#user }),
    );
  }

  /** Sends it with the token, and once more with a new one where etcd refuses the old one. */
  async #withToken<T>(call: (metadata: Metadata, member: Member) => Promise<T>): Promise<T> {
    for (let first = true; ; first = false) {
      const token = await this.#token?.get();
      try {
        return await this.#withMember((member) => call(withHeaders(token), member));
      } catch (error) {
        if (!this.#token || !first || !isStaleToken(error)) throw error;
        this.#token.invalidate(token);
      }
    }
  }

  /** Tries each member, for as long as the call has not even been sent. */
  async #withMember<T>(call: (member: Member) => Promise<T>): Promise<T> {
    for (let tried = 1; ; tried++) {
      const member = this.#members.current;
      try {
        const answer = await call(member);
        this.#answered = true;
        return answer;
      } catch (error) {
        const mapped = this.#failed(error, member);
        if (!isNotSent(error) || tried >= this.#members.count) throw mapped;
      }
    }
  }

  #failed(error: unknown, member: Member): LockstepError {
    const mapped = mapError(error, this.side, member.endpoint, this.#answered);
    if (mapped.code === 'UNAVAILABLE' || mapped.code === 'TLS') this.#members.moveOn(member);
    return mapped;
  }

  async *#read<P, T>(
    call: ClientDuplexStream<P, T> | ClientReadableStream<T>,
    member: Member,
  ): AsyncGenerator<T> {
    try {
      for await (const message of call) {
        this.#answered = true;
        yield message as T;
      }
    } catch (error) {
      throw this.#failed(error, member);
    } finally {
      call.on('error', () => undefined);
      call.cancel();
    }
  }

  async #authenticate(): Promise<string | undefined> {
    try {
      const answer = await this.#withMember((member) =>
        sendTo(member, AUTHENTICATE, this.#user ?? {}, new Metadata(), CALL_TIMEOUT_MS),
      );
      return answer.token;
    } catch (error) {
      if (isAuthOff(error)) return undefined;
      throw error;
    }
  }
}

/** A stream: requests go in, messages come out, and a paused reader pauses the server. */
export interface Stream<T, P> {
  send(message: P): void;
  /** Nothing more will be sent. */
  end(): void;
  messages(): AsyncGenerator<T>;
  cancel(): void;
}

const AUTHENTICATE = {
  path: 'Auth/Authenticate',
  request: pb.AuthenticateRequest,
  response: pb.AuthenticateResponse,
};

function sendTo<T, P>(
  { client }: Member,
  { path, request, response }: Method<T, P>,
  message: P,
  metadata: Metadata,
  timeoutMs: number,
): Promise<T> {
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      `/etcdserverpb.${path}`,
      serializer(request),
      deserializer(response),
      message,
      metadata,
      { deadline: Date.now() + timeoutMs },
      (error, answer) => {
        if (error) reject(error);
        else if (answer === undefined) reject(new Error(`${path}: no answer and no error`));
        else resolve(answer);
      },
    );
  });
}

/**
 * With `hasleader` a member that has lost its leader refuses at once and ends its streams; without
 * it, it lets a call hang and keeps a stream open and silent.
 */
function withHeaders(token: string | undefined): Metadata {
  const metadata = new Metadata();
  metadata.set('hasleader', 'true');
  if (token !== undefined) metadata.set('token', token);
  return metadata;
}

function serializer<P>(codec: Codec<unknown, P>): (message: P) => Buffer {
  return (message) => {
    const bytes = codec.encode(message).finish();
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  };
}

function deserializer<T>(codec: Codec<T, never>): (bytes: Buffer) => T {
  return (bytes) => codec.decode(bytes);
}
