/**
 * The members of one etcd, of which one is talked to.
 *
 * etcd's members give the same answers, so it is enough to talk to one and to turn to the next when
 * it fails. gRPC's own balancing would send neighbouring calls to different members, some of which
 * lag: what one call has seen, the next one would not know yet.
 */
import { Client, connectivityState } from '@grpc/grpc-js';
import { hasCode } from '../errors.js';
import { grpcTarget } from './address.js';
import {
  channelCredentials,
  isSecure,
  readTls,
  type Connection,
  type TlsMaterial,
} from './connection.js';
import { flag, type Side } from './side.js';
import { Sockets } from './sockets.js';

/**
 * Bytes in one answer. Pages are asked for in sizes far below this (source/pages.ts), watch
 * messages come in fragments of the server's request limit (1.5 MiB by default).
 */
export const MAX_MESSAGE_BYTES = 64 * 1024 * 1024;
const FLOW_CONTROL_WINDOW_BYTES = 8 * 1024 * 1024;

const CHANNEL_OPTIONS = {
  'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
  'grpc.max_send_message_length': -1,
  'grpc-node.flow_control_window': FLOW_CONTROL_WINDOW_BYTES,
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 5_000,
  // Every client has its own connection, so that a watch never stands in line behind writes.
  'grpc.use_local_subchannel_pool': 1,
  // Variables like http_proxy are for the web: an etcd is dialled directly.
  'grpc.enable_http_proxy': 0,
  // A hidden resend of a Txn could apply it twice.
  'grpc.enable_retries': 0,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 1_000,
};

export interface Member {
  endpoint: string;
  client: Client;
  sockets: Sockets;
  /** Whether it has said that it belongs to the cluster. */
  identified: boolean;
}

export class Members {
  readonly #connection: Connection;
  #tls: TlsMaterial | undefined;
  #at = 0;
  #open: Member | undefined;

  /** @throws LockstepError BAD_ARGUMENT for certificate files that cannot be used */
  constructor(
    connection: Connection,
    readonly side: Side,
  ) {
    this.#connection = connection;
    this.#tls = isSecure(connection)
      ? readTls(connection.tls ?? {}, (name) => flag(side, name))
      : undefined;
  }

  get count(): number {
    return this.#connection.endpoints.length;
  }

  get tls(): TlsMaterial | undefined {
    return this.#tls;
  }

  /** The one that is talked to now. */
  get current(): Member {
    this.#open ??= this.#connect();
    return this.#open;
  }

  /** `failed` did not do; the next call goes to the next one. A late second complaint changes nothing. */
  moveOn(failed: Member): void {
    if (failed !== this.#open) return;
    const changed = this.#readTlsAgain();
    if (this.count === 1 && !changed && !isConnecting(failed)) return;
    // Calls that are under way on a connection may still be answered.
    if (isReady(failed)) failed.client.close();
    else this.close();
    this.#open = undefined;
    this.#at = (this.#at + 1) % this.count;
  }

  /** Ends the connection at once. */
  close(): void {
    this.#open?.client.close();
    this.#open?.sockets.end();
    this.#open = undefined;
  }

  #connect(): Member {
    const endpoint = this.#connection.endpoints[this.#at] ?? '';
    const sockets = new Sockets();
    const credentials = sockets.of(channelCredentials(this.#tls));
    const client = new Client(grpcTarget(endpoint), credentials, CHANNEL_OPTIONS);
    return { endpoint, client, sockets, identified: false };
  }

  /** Certificates are renewed while we run for days. Files that are half written change nothing. */
  #readTlsAgain(): boolean {
    if (!this.#tls) return false;
    try {
      const now = readTls(this.#connection.tls ?? {}, (name) => flag(this.side, name));
      const same = (['rootCertificate', 'certChain', 'privateKey'] as const).every(
        (part) => now[part]?.toString() === this.#tls?.[part]?.toString(),
      );
      this.#tls = now;
      return !same;
    } catch (error) {
      if (!hasCode(error, 'BAD_ARGUMENT')) throw error;
      return false;
    }
  }
}

function isReady({ client }: Member): boolean {
  return client.getChannel().getConnectivityState(false) === connectivityState.READY;
}

/** grpc-js waits for ever for a connection that was accepted and then never served; another one may be. */
function isConnecting({ client }: Member): boolean {
  return client.getChannel().getConnectivityState(false) === connectivityState.CONNECTING;
}
