/** One connection by hand: what comes back from an address, and nothing of ours but a greeting. */
import { connect, type Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls';
import type { Address } from './address.js';

/** What came of a connection. */
export interface Heard {
  /** Whether it was taken. */
  connected: boolean;
  /** Whether TLS was agreed on, and the protocol inside it that both sides know. */
  secured: boolean;
  alpn: string | false | null;
  /** The first bytes; none where nothing was said. */
  bytes: Buffer;
  /** Whether the other end has ended it. */
  closed: boolean;
  /** The system's or OpenSSL's text; empty where there is none. */
  error: string;
}

interface Greeting {
  /** Agrees on TLS first. */
  tls?: ConnectionOptions;
  /** Sent as soon as it is connected, and secured where that is wanted. */
  say?: Buffer;
  /** So long it is listened, in all. */
  withinMs: number;
  /** So long after the connection was made, or secured. */
  thenMs?: number;
  signal: AbortSignal;
}

/** The first bytes of anything are enough to tell what it is. */
const ENOUGH_BYTES = 4096;
/** One that has begun to speak goes on at once. */
const MORE_MS = 200;

/** Never fails; takes `withinMs` at the most. */
export async function hear(address: Address, greeting: Greeting): Promise<Heard> {
  const { tls, say, withinMs, thenMs = withinMs, signal } = greeting;
  const heard: Heard = {
    ...{ connected: false, secured: false, alpn: null, closed: false, error: '' },
    bytes: Buffer.alloc(0),
  };
  return new Promise((resolve) => {
    const socket: Socket = tls
      ? connectTls({ ...address, ...named(address), ...tls })
      : connect(address);
    const end = () => {
      clearTimeout(late);
      signal.removeEventListener('abort', end);
      socket.destroy();
      resolve(heard);
    };
    const late = setTimeout(end, withinMs);
    const listen = () => {
      if (say) socket.write(say);
      socket.setTimeout(thenMs, end);
    };
    signal.addEventListener('abort', end, { once: true });
    socket.once('connect', () => {
      heard.connected = true;
      if (!tls) listen();
    });
    socket.once('secureConnect', () => {
      heard.secured = true;
      heard.alpn = (socket as TLSSocket).alpnProtocol;
      listen();
    });
    socket.on('data', (data: Buffer) => {
      heard.bytes = Buffer.concat([heard.bytes, data]);
      if (heard.bytes.length >= ENOUGH_BYTES) end();
      socket.setTimeout(MORE_MS, end);
    });
    socket.on('error', (error: Error) => {
      heard.error ||= error.message;
    });
    socket.once('close', () => {
      heard.closed = true;
      end();
    });
    if (signal.aborted) end();
  });
}

/** At a path there is no name to check; the one that gRPC takes there. */
function named(address: Address): ConnectionOptions {
  return 'path' in address ? { servername: 'localhost' } : {};
}
