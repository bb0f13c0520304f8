/**
 * The connections of a channel, so that they can be ended with it.
 *
 * grpc-js forgets one that has not come about yet when a channel is closed. A peer that accepts a
 * connection and then says nothing, in TLS or behind it, holds the socket for ever; one that has not
 * shaken hands even holds the process. (One whose TCP connection has not come about is beyond reach;
 * the system gives it up after two minutes.)
 */
import type { ChannelCredentials } from '@grpc/grpc-js';
import type { Socket } from 'node:net';

export class Sockets {
  readonly #open = new Set<Socket>();
  #ended = false;

  /** The same credentials; they say which connections they are used for. */
  of(credentials: ChannelCredentials): ChannelCredentials {
    const create = credentials._createSecureConnector.bind(credentials);
    credentials._createSecureConnector = (...args) => {
      const connector = create(...args);
      const connect = connector.connect.bind(connector);
      connector.connect = (socket) => {
        this.#add(socket);
        return connect(socket);
      };
      return connector;
    };
    return credentials;
  }

  /** Ends all of them, and whatever is connected later. */
  end(): void {
    this.#ended = true;
    for (const socket of this.#open) socket.destroy();
  }

  #add(socket: Socket): void {
    this.#open.add(socket);
    socket.once('close', () => this.#open.delete(socket));
    if (this.#ended) socket.destroy();
  }
}
